import type { Memory } from "./memory.ts";
import type { Queryable } from "./tables/schema.ts";
import type { FoundFact } from "./tables/search.ts";
import { contentStems } from "./text/language.ts";
import { vectorOf } from "./text/vector.ts";
import type { Rarity } from "./text/vector.ts";

/** What the memory knows about a question. */
export interface Answer {
  readonly question: string;
  /** The facts nearest to it, with their sources, nearest first. */
  readonly facts: readonly FoundFact[];
}

/** Facts per answer. */
const LIMIT = 2;

/** What the demo asks at its end. The first can be answered after 10 turns, the last after 383. */
export const QUESTIONS: readonly string[] = [
  "How did we honor the seven Challenger heroes?",
  "What was done for the suppression of the slave trade?",
  "What are the four essential human freedoms?",
];

/** Answers a question with the facts whose words are nearest to its words. */
export async function answer(
  question: string,
  { db, memory, rarity }: { readonly db: Queryable; readonly memory: Memory; readonly rarity: Rarity },
): Promise<Answer> {
  const vector = vectorOf(contentStems(question), rarity);
  return { question, facts: await memory.nearest(db, { vector, limit: LIMIT }) };
}
