import { factTable } from "./tables/facts.ts";
import type { FactTable } from "./tables/facts.ts";
import { lockKeys } from "./tables/keys.ts";
import { createTables } from "./tables/schema.ts";
import type { Queryable } from "./tables/schema.ts";
import { nearestFacts } from "./tables/search.ts";
import type { FoundFact } from "./tables/search.ts";
import { synthesisTable } from "./tables/synthesis.ts";
import type { SynthesisTable } from "./tables/synthesis.ts";
import { tripleTable } from "./tables/triples.ts";
import type { TripleTable } from "./tables/triples.ts";
import { turnTable } from "./tables/turns.ts";
import type { TurnTable } from "./tables/turns.ts";
import type { Vector } from "./text/vector.ts";

/** A memory of what was said, in Postgres. Every member takes the transaction that it works in. */
export interface Memory {
  /** Creates the tables, unless they are there. */
  create(db: Queryable): Promise<void>;
  /** Lets one transaction at a time decide about facts and triples with these keys. */
  lock(tx: Queryable, keys: readonly string[]): Promise<void>;
  readonly turns: TurnTable;
  readonly facts: FactTable;
  readonly triples: TripleTable;
  readonly synthesis: SynthesisTable;
  /** The facts nearest to a point in space, nearest first. */
  nearest(db: Queryable, search: { readonly vector: Vector; readonly limit: number }): Promise<FoundFact[]>;
}

/**
 * Gives access to the memory in a schema. Connects to nothing by itself.
 *
 * @throws Error when `schema` is not a plain lower-case name.
 */
export function openMemory(schema = "memory"): Memory {
  return {
    create: (db) => createTables(db, schema),
    lock: (tx, keys) => lockKeys(tx, schema, keys),
    turns: turnTable(schema),
    facts: factTable(schema),
    triples: tripleTable(schema),
    synthesis: synthesisTable(schema),
    nearest: (db, search) => nearestFacts(db, schema, search),
  };
}
