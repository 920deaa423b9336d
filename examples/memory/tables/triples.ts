import type { KeptTriple, Known, Synthesis } from "../text/reconcile.ts";
import { tripleKey } from "../text/triples.ts";
import type { Triple } from "../text/triples.ts";
import { schemaName } from "./schema.ts";
import type { Queryable } from "./schema.ts";
import type { KeptTurn } from "./turns.ts";

/** Reads and writes triples and what became of them. */
export interface TripleTable {
  /** Adds the triples of a turn. */
  insert(tx: Queryable, turn: KeptTurn, triples: readonly Triple[]): Promise<void>;
  /** The triples of a turn, in the order of the sentences. */
  ofTurn(tx: Queryable, turn: number): Promise<KeptTriple[]>;
  /** Whether other turns affirmed or denied what these triples say. */
  said(tx: Queryable, triples: readonly Triple[], except: number): Promise<Known["triples"]>;
  /** Writes the fact and the verdict of each triple. */
  judge(tx: Queryable, judgements: Synthesis["judgements"]): Promise<void>;
  /** Removes the triples of a turn: unlike facts they are cheap to make again. */
  remove(tx: Queryable, turn: number): Promise<void>;
}

/** The triples of the memory in a schema. */
export function tripleTable(schema: string): TripleTable {
  const table = `${schemaName(schema)}.triples`;
  return {
    async insert(tx, turn, triples) {
      const columns = ["sentence", "subject", "verb", "object", "negated"] as const;
      await tx.query(
        `insert into ${table} (turn_id, key, ${columns.join(", ")})
         select $1, * from unnest(
           $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::boolean[]
         )`,
        [
          turn.id,
          triples.map(tripleKey),
          ...columns.map((column) => triples.map((triple) => triple[column])),
        ],
      );
    },

    async ofTurn(tx, turn) {
      const { rows } = await tx.query<KeptTriple & Record<string, unknown>>(
        `select id, sentence, subject, verb, object, negated from ${table}
         where turn_id = $1 order by sentence, id`,
        [turn],
      );
      return rows;
    },

    async said(tx, triples, except) {
      // Those without a verdict will find ours when their own turn is synthesized.
      const { rows } = await tx.query<{ key: string; negated: boolean }>(
        `select distinct key, negated from ${table}
         where key = any($1::text[]) and turn_id <> $2 and verdict is not null`,
        [triples.map(tripleKey), except],
      );
      const ways = new Map<string, Set<"affirmed" | "denied">>();
      for (const { key, negated } of rows) {
        ways.set(key, (ways.get(key) ?? new Set()).add(negated ? "denied" : "affirmed"));
      }
      return ways;
    },

    async judge(tx, judgements) {
      await tx.query(
        `update ${table} set fact_id = judged.fact, verdict = judged.verdict
         from unnest($1::bigint[], $2::bigint[], $3::text[]) as judged (triple, fact, verdict)
         where id = judged.triple`,
        [
          judgements.map(({ triple }) => triple),
          judgements.map(({ fact }) => fact),
          judgements.map(({ verdict }) => verdict),
        ],
      );
    },

    async remove(tx, turn) {
      await tx.query(`delete from ${table} where turn_id = $1`, [turn]);
    },
  };
}
