import { OptionError, describe, expected } from "../core/errors.ts";

/** Where a reader of completed jobs stands. */
export interface Cursor {
  /** Tells the schema from all others. */
  readonly identity: string;
  /** The last job that was read, by its position. */
  readonly position: number;
}

/** Where to begin, read from the `from` of `client.events`. */
export type From = "start" | "now" | Cursor;

/** The form of the text, for other versions of this library. */
const CURSOR = /^m1\.([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\.(0|[1-9]\d{0,15})$/u;

/** Writes a cursor as a text without a meaning for anybody else. */
export function cursorText({ identity, position }: Cursor): string {
  return `m1.${identity}.${position}`;
}

/**
 * Reads where to begin.
 *
 * @throws OptionError for what is none of the words and no cursor.
 */
export function readFrom(value: unknown): From {
  if (value === "start" || value === "now") return value;
  const [, identity, position] = (typeof value === "string" && CURSOR.exec(value)) || [];
  if (identity === undefined) {
    throw new OptionError(expected("from", '"start", "now" or the `cursor` of an event', value));
  }
  return { identity, position: Number(position) };
}

/**
 * Checks that a cursor is of the schema that it is read in.
 *
 * @throws OptionError for one of another schema, or from a time that this one does not know.
 */
export function checkCursor(cursor: Cursor, log: { readonly identity: string; readonly last: number }): void {
  if (cursor.identity === log.identity && cursor.position <= log.last) return;
  const why =
    cursor.identity === log.identity
      ? "is ahead of this schema, which was perhaps restored from a backup"
      : "is of another schema";
  throw new OptionError(
    `The cursor in \`from\` ${why}, got ${describe(cursorText(cursor))}: begin at "start" or "now"`,
  );
}
