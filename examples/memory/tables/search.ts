import type { Vector } from "../text/vector.ts";
import { schemaName } from "./schema.ts";
import type { Queryable } from "./schema.ts";

/** A fact that was found, and where it comes from. */
export interface FoundFact {
  /** What was said. */
  readonly text: string;
  /** By whom. */
  readonly president: string;
  /** When. */
  readonly year: number;
  /** In which turn. */
  readonly turn: number;
  /** How near it is to the question: 1 the same words, 0 none in common. */
  readonly score: number;
  /** What it is about, surest first. */
  readonly labels: readonly string[];
}

/** Below this, what a fact and a question share is small talk. */
const LEAST_SCORE = 0.25;

/**
 * Finds the facts nearest to a point in space, nearest first, as far as they are near at all. Facts
 * that were retired or that repeat an earlier one do not count.
 *
 * All vectors have length 1, so that the cosine is the sum of products over the dimensions that
 * both have. The GIN index on `dimensions` picks the facts that share any.
 */
export async function nearestFacts(
  db: Queryable,
  schema: string,
  { vector, limit }: { readonly vector: Vector; readonly limit: number },
): Promise<FoundFact[]> {
  const s = schemaName(schema);
  const { rows } = await db.query<FoundFact & Record<string, unknown>>(
    `with scored as (
       select fact_id, sum(mine.weight * asked.weight) as score
       from ${s}.vectors
       cross join unnest(dimensions, weights) as mine (dimension, weight)
       join unnest($1::integer[], $2::double precision[]) as asked (dimension, weight) using (dimension)
       where dimensions && $1::integer[]
       group by fact_id
     )
     select facts.text, turns.president, turns.year, turns.id as turn, scored.score,
       array(select label from ${s}.labels where fact_id = facts.id order by score desc, label) as labels
     from scored
     join ${s}.facts on facts.id = scored.fact_id
     join ${s}.turns on turns.id = facts.turn_id
     where scored.score >= $4
       and facts.same_as is null
       and not exists (select from ${s}.retired where retired.fact_id = facts.id)
     order by scored.score desc, facts.id
     limit $3`,
    [vector.dimensions, vector.weights, limit, LEAST_SCORE],
  );
  return rows;
}
