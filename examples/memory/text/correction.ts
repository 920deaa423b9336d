import { contentStems, readSentences } from "./language.ts";
import type { Turn } from "./turns.ts";

/**
 * Why a fact no longer counts: its turn was corrected, and the corrected text still says much the
 * same (`stale`), or says it no more (`rejected`).
 */
export type RetirementReason = "stale" | "rejected";

/** Share of words in common from which a sentence counts as a new wording of another. */
const SAME_STATEMENT = 0.5;

const CONTRACTIONS: readonly (readonly [RegExp, string])[] = [
  [/\b(do|does|did|is|are|was|were|has|have|had|would|could|should)n['’]t\b/gi, "$1 not"],
  [/\b(we|you|they)['’]re\b/gi, "$1 are"],
  [/\b(I|we|you|they)['’]ve\b/gi, "$1 have"],
  [/\b(I|we|you|they)['’]ll\b/gi, "$1 will"],
];

/**
 * Edits a turn as a copy editor would: contractions are spelt out, "this year" and "last year"
 * become years, and the last sentence is withdrawn unless it is the only one.
 */
export function correctedText(turn: Turn): string {
  const sentences = readSentences(turn.text).map((sentence) => sentence.text);
  const kept = sentences.length > 1 ? sentences.slice(0, -1) : sentences;
  const spelt = CONTRACTIONS.reduce((text, [short, long]) => text.replaceAll(short, long), kept.join(" "));
  return spelt
    .replaceAll(/\b(?:in )?(?:this|the present) year\b(?!['’])/g, `in ${String(turn.year)}`)
    .replaceAll(/\b(?:in )?(?:last|the past) year\b(?!['’])/g, `in ${String(turn.year - 1)}`);
}

/** Tells why a fact of the old text is to be retired, by what the corrected text says. */
export function retirementReason(fact: string, correctedFacts: readonly string[]): RetirementReason {
  const before = stemsOf(fact);
  return correctedFacts.some((after) => overlap(before, stemsOf(after)) >= SAME_STATEMENT)
    ? "stale"
    : "rejected";
}

const stemsOf = (text: string): Set<string> => new Set(contentStems(text));

// Jaccard: what both have, of what either has.
function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const shared = [...a].filter((stem) => b.has(stem)).length;
  const either = a.size + b.size - shared;
  return either === 0 ? 1 : shared / either;
}
