import { tables } from "./0001-tables.ts";
import { fanIn } from "./0002-fan-in.ts";
import { recovery } from "./0003-recovery.ts";
import { enqueue } from "./0004-enqueue.ts";
import { events } from "./0005-events.ts";
import type { Migration } from "./migration.ts";

/** Every migration, in order. */
export const MIGRATIONS: readonly Migration[] = [tables, fanIn, recovery, enqueue, events];

/** The version of the schema that this library works with. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;
