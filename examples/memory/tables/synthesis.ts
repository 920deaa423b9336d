import type { Synthesis } from "../text/reconcile.ts";
import { schemaName } from "./schema.ts";
import type { Queryable } from "./schema.ts";
import type { KeptTurn } from "./turns.ts";

/** What a memory holds. */
export interface Summary {
  /** Turns that were remembered. */
  readonly turns: number;
  /** Turns that were corrected. */
  readonly corrected: number;
  /** Facts that count. */
  readonly facts: number;
  /** Facts that repeat one that counts. */
  readonly duplicates: number;
  /** Facts retired because their turn was corrected and now words them otherwise. */
  readonly stale: number;
  /** Facts retired because their turn was corrected and says them no more. */
  readonly rejected: number;
  /** Triples of all verdicts. */
  readonly triples: number;
  /** Triples that an earlier turn had said. */
  readonly confirmed: number;
  /** Triples of which an earlier turn had said the opposite. */
  readonly contradicted: number;
}

/** Two turns that say opposite things. */
export interface Contradiction {
  /** Subject, verb and object. */
  readonly statement: string;
  /** Who says so, with the year. */
  readonly affirmedBy: string;
  /** Who denies it, with the year. */
  readonly deniedBy: string;
}

/** Commits turns to the memory and tells what it holds. */
export interface SynthesisTable {
  /** Records that a turn is part of the memory, as of its version. */
  insert(tx: Queryable, turn: KeptTurn, synthesis: Synthesis): Promise<void>;
  /** Counts what the memory holds. */
  summarize(db: Queryable): Promise<Summary>;
  /** Statements that one turn affirms and another denies, at most `limit`, in a steady order. */
  contradictions(db: Queryable, limit: number): Promise<Contradiction[]>;
}

/** The syntheses of the memory in a schema. */
export function synthesisTable(schema: string): SynthesisTable {
  const s = schemaName(schema);
  return {
    async insert(tx, turn, { duplicates, judgements }) {
      await tx.query(
        `insert into ${s}.synthesis (turn_id, version, duplicates, triples) values ($1, $2, $3, $4)`,
        [turn.id, turn.version, duplicates.length, judgements.length],
      );
    },

    async summarize(db) {
      const { rows } = await db.query<Summary & Record<string, unknown>>(
        `select
           (select count(*)::integer from ${s}.turns) as turns,
           (select count(*)::integer from ${s}.turns where version > 1) as corrected,
           count(*) filter (where reason is null and same_as is null)::integer as facts,
           count(*) filter (where reason is null and same_as is not null)::integer as duplicates,
           count(*) filter (where reason = 'stale')::integer as stale,
           count(*) filter (where reason = 'rejected')::integer as rejected,
           (select count(*)::integer from ${s}.triples) as triples,
           (select count(*)::integer from ${s}.triples where verdict = 'confirmed') as confirmed,
           (select count(*)::integer from ${s}.triples where verdict = 'contradicted') as contradicted
         from ${s}.facts left join ${s}.retired on fact_id = facts.id`,
      );
      const [summary] = rows;
      if (summary === undefined) throw new Error("An aggregate without groups gave no row");
      return summary;
    },

    async contradictions(db, limit) {
      const { rows } = await db.query<Contradiction & Record<string, unknown>>(
        `select distinct on (affirmed.key)
           concat_ws(' ', affirmed.subject, affirmed.verb, affirmed.object) as statement,
           concat_ws(' ', yes.president, yes.year) as "affirmedBy",
           concat_ws(' ', no.president, no.year) as "deniedBy"
         from ${s}.triples as affirmed
         join ${s}.triples as denied on denied.key = affirmed.key and denied.turn_id <> affirmed.turn_id
         join ${s}.turns as yes on yes.id = affirmed.turn_id
         join ${s}.turns as no on no.id = denied.turn_id
         where denied.negated and not affirmed.negated
           and 'contradicted' in (affirmed.verdict, denied.verdict)
         order by affirmed.key, yes.id, no.id
         limit $1`,
        [limit],
      );
      return rows;
    },
  };
}
