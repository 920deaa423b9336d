import { createHash } from "node:crypto";

/** What a notification tells: a queue has work now, or will have in `dueInMs`. */
export interface Hint {
  readonly queue: string;
  /** Milliseconds until the job is due, rounded up; absent when it may run now. */
  readonly dueInMs?: number;
  /** The client whose own workers know it already; absent when nobody does. */
  readonly sender?: string;
}

/** The longest name of a channel, in bytes: one less than `NAMEDATALEN`. */
const MAX_BYTES = 63;

/**
 * The channel on which the workers of a schema listen: `millrace:` and the schema's name, of which
 * the end gives way to a hash where the whole would be longer than 63 bytes.
 *
 * The SQL functions have the same text built in when they are created, so both always agree.
 */
export function channelOf(schema: string): string {
  return channelNamed("millrace", schema);
}

/** The channel of the events of a schema: `millrace-events:` and its name, cut in the same way. */
export function eventsChannelOf(schema: string): string {
  return channelNamed("millrace-events", schema);
}

function channelNamed(prefix: string, schema: string): string {
  const channel = `${prefix}:${schema}`;
  if (Buffer.byteLength(channel) <= MAX_BYTES) return channel;
  const hash = createHash("sha256").update(schema).digest("hex").slice(0, 16);
  let kept = "";
  for (const letter of schema) {
    if (Buffer.byteLength(`${prefix}:${kept}${letter}~${hash}`) > MAX_BYTES) break;
    kept += letter;
  }
  return `${prefix}:${kept}~${hash}`;
}

/** The payload of a notification: JSON, far below Postgres' limit of 8,000 bytes. */
export function hintText({ queue, dueInMs, sender }: Hint): string {
  return JSON.stringify({ queue, dueInMs: dueInMs === undefined ? undefined : Math.ceil(dueInMs), sender });
}

/**
 * Reads the payload of a notification, which anybody may have sent: what is no hint of ours is
 * `undefined`, and counts as a wake-up for all queues.
 */
export function readHint(payload: string): Hint | undefined {
  let hint: unknown;
  try {
    hint = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (typeof hint !== "object" || hint === null || !("queue" in hint) || typeof hint.queue !== "string") {
    return undefined;
  }
  const dueInMs = "dueInMs" in hint ? hint.dueInMs : undefined;
  const sender = "sender" in hint ? hint.sender : undefined;
  return {
    queue: hint.queue,
    ...(typeof dueInMs === "number" && dueInMs >= 0 ? { dueInMs } : {}),
    ...(typeof sender === "string" ? { sender } : {}),
  };
}
