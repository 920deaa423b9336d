import type { Work } from "./work.ts";

/** Stands in the payloads that the board enqueues, and nowhere else. */
const MARK = "marked-payload-of-the-board";

/** Passwords of servers and roles, which no line may show. */
const secrets = new Set<string>();

/** What processes of the board wrote since it was last asked. */
const seen = { lines: 0, marked: [] as string[] };

/** Work with the mark in it. */
export function marked(work: Work): Work {
  return { ...work, mark: MARK };
}

/**
 * From now on no line may show the password of a connection string. One that is a common word, as that of a
 * server that somebody else made, cannot be told from others.
 */
export function keepSecret(connectionString: string): void {
  const password = decodeURIComponent(new URL(connectionString).password);
  if (password.length >= 12) secrets.add(password);
}

/** Looks at a line, or more, that a process wrote to stdout or stderr. */
export function lookForMark(text: string): void {
  seen.lines += 1;
  const shown = [...secrets].reduce((rest, secret) => rest.replaceAll(secret, "the password"), text);
  if (shown !== text || text.includes(MARK)) seen.marked.push(shown);
}

/** How many lines were looked at since the last call, and those that had the mark or a password in them, without that. */
export function takeMarkedLines(): { readonly lines: number; readonly marked: readonly string[] } {
  const taken = { ...seen };
  seen.lines = 0;
  seen.marked = [];
  return taken;
}
