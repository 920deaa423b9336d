import type { Label } from "../text/categories.ts";
import type { RetirementReason } from "../text/correction.ts";
import type { Fact } from "../text/facts.ts";
import { contentStems } from "../text/language.ts";
import { factKey } from "../text/reconcile.ts";
import type { KeptFact } from "../text/reconcile.ts";
import type { Vector } from "../text/vector.ts";
import { schemaName } from "./schema.ts";
import type { Queryable } from "./schema.ts";
import type { KeptTurn } from "./turns.ts";

/** Reads and writes facts with their vectors and labels. Retired facts are not found any more. */
export interface FactTable {
  /** Adds the facts of a turn and answers with their ids, in the same order. */
  insert(tx: Queryable, turn: KeptTurn, facts: readonly Fact[]): Promise<string[]>;
  /** The text of a fact, or undefined when it was retired. */
  findText(tx: Queryable, fact: string): Promise<string | undefined>;
  /** The facts of a turn, in the order of the sentences. */
  ofTurn(tx: Queryable, turn: number): Promise<(KeptFact & { readonly text: string })[]>;
  /** The facts of other turns that say one of these keys first: their ids by key. */
  firstWith(tx: Queryable, keys: readonly string[], except: number): Promise<Map<string, string>>;
  /** Marks facts as saying what an earlier one says. */
  markDuplicates(tx: Queryable, pairs: readonly { fact: string; sameAs: string }[]): Promise<void>;
  /** Retires facts. Those that were hidden as their duplicates count again. */
  retire(tx: Queryable, facts: readonly { fact: string; reason: RetirementReason }[]): Promise<void>;
  /** Places a fact in space. */
  saveVector(tx: Queryable, fact: string, vector: Vector): Promise<void>;
  /** Labels a fact. */
  saveLabels(tx: Queryable, fact: string, labels: readonly Label[]): Promise<void>;
}

/** The facts of the memory in a schema. */
export function factTable(schema: string): FactTable {
  const s = schemaName(schema);
  const notRetired = `not exists (select from ${s}.retired where fact_id = facts.id)`;
  return {
    async insert(tx, turn, facts) {
      const { rows } = await tx.query<{ id: string }>(
        `insert into ${s}.facts (turn_id, version, sentence, text, entities, key)
         select $1, $2, * from unnest($3::integer[], $4::text[], $5::jsonb[], $6::text[])
         returning id`,
        [
          turn.id,
          turn.version,
          facts.map((fact) => fact.sentence),
          facts.map((fact) => fact.text),
          facts.map((fact) => JSON.stringify(fact.entities)),
          facts.map((fact) => factKey(contentStems(fact.text))),
        ],
      );
      return rows.map((row) => row.id);
    },

    async findText(tx, fact) {
      const { rows } = await tx.query<{ text: string }>(
        `select text from ${s}.facts where id = $1 and ${notRetired}`,
        [fact],
      );
      return rows[0]?.text;
    },

    async ofTurn(tx, turn) {
      const { rows } = await tx.query<{ id: string; sentence: number; key: string; text: string }>(
        `select id, sentence, key, text from ${s}.facts
         where turn_id = $1 and ${notRetired} order by sentence`,
        [turn],
      );
      return rows;
    },

    async firstWith(tx, keys, except) {
      const { rows } = await tx.query<{ key: string; id: string }>(
        `select key, min(id)::text as id from ${s}.facts
         where key = any($1::text[]) and turn_id <> $2 and same_as is null and ${notRetired}
         group by key`,
        [keys, except],
      );
      return new Map(rows.map((row) => [row.key, row.id]));
    },

    async markDuplicates(tx, pairs) {
      await tx.query(
        `update ${s}.facts set same_as = pair.same_as
         from unnest($1::bigint[], $2::bigint[]) as pair (fact_id, same_as) where id = fact_id`,
        [pairs.map((pair) => pair.fact), pairs.map((pair) => pair.sameAs)],
      );
    },

    async retire(tx, facts) {
      const ids = facts.map(({ fact }) => fact);
      await tx.query(
        `insert into ${s}.retired (fact_id, reason) select * from unnest($1::bigint[], $2::text[])`,
        [ids, facts.map(({ reason }) => reason)],
      );
      await tx.query(`update ${s}.facts set same_as = null where same_as = any($1::bigint[])`, [ids]);
    },

    async saveVector(tx, fact, vector) {
      await tx.query(`insert into ${s}.vectors (fact_id, dimensions, weights) values ($1, $2, $3)`, [
        fact,
        vector.dimensions,
        vector.weights,
      ]);
    },

    async saveLabels(tx, fact, labels) {
      await tx.query(
        `insert into ${s}.labels (fact_id, label, score)
         select $1, * from unnest($2::text[], $3::double precision[])`,
        [fact, labels.map(({ label }) => label), labels.map(({ score }) => score)],
      );
    },
  };
}
