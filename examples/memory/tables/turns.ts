import type { Turn } from "../text/turns.ts";
import { schemaName } from "./schema.ts";
import type { Queryable } from "./schema.ts";

/** A turn as the memory keeps it. */
export interface KeptTurn extends Turn {
  /** Counts corrections, from 1. What was derived from another version is out of date. */
  readonly version: number;
}

/** Reads and writes turns. */
export interface TurnTable {
  /** Adds turns. Those that are there already stay as they are. */
  insert(tx: Queryable, turns: readonly Turn[]): Promise<void>;
  /** Reads a turn and keeps it from being corrected until the transaction ends. */
  find(tx: Queryable, id: number): Promise<KeptTurn>;
  /** Replaces the text of a turn and raises its version. Waits for transactions that hold it. */
  correct(tx: Queryable, id: number, text: string): Promise<KeptTurn>;
}

/** The turns of the memory in a schema. */
export function turnTable(schema: string): TurnTable {
  const table = `${schemaName(schema)}.turns`;
  return {
    async insert(tx, turns) {
      const columns = ["id", "year", "president", "position", "text"] as const;
      await tx.query(
        `insert into ${table} (${columns.join(", ")})
         select * from unnest($1::integer[], $2::integer[], $3::text[], $4::integer[], $5::text[])
         on conflict do nothing`,
        columns.map((column) => turns.map((turn) => turn[column])),
      );
    },

    async find(tx, id) {
      return only(id, await tx.query<KeptRow>(`select * from ${table} where id = $1 for share`, [id]));
    },

    async correct(tx, id, text) {
      return only(
        id,
        await tx.query<KeptRow>(
          `update ${table} set text = $2, version = version + 1 where id = $1 returning *`,
          [id, text],
        ),
      );
    },
  };
}

/** A row of the table; its columns are named as the fields. */
type KeptRow = KeptTurn & Record<string, unknown>;

function only(id: number, { rows: [turn] }: { rows: KeptTurn[] }): KeptTurn {
  if (turn === undefined) throw new Error(`There is no turn ${String(id)} in the memory`);
  return turn;
}
