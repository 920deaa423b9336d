/** An error as it is stored and reported: plain, bounded, safe for Postgres. */
export interface ErrorRecord {
  /** The error's `name`, or `NonError` where something else was thrown. At most 200 characters. */
  readonly name: string;
  /** The error's message. At most 2,000 characters, no NUL, no lone surrogate. */
  readonly message: string;
  /** The stack, where there was one. At most 4,000 characters. */
  readonly stack?: string;
}

const MAX_NAME = 200;
const MAX_MESSAGE = 2_000;
const MAX_STACK = 4_000;

/**
 * Makes a record of anything that was thrown. Total: it never throws, whatever it is given
 * (`undefined`, a frozen object, a Proxy, an error whose getters throw).
 */
export function toErrorRecord(thrown: unknown): ErrorRecord {
  if (!isErrorLike(thrown)) return { name: "NonError", message: cleanText(show(thrown), MAX_MESSAGE) };
  const name = read(thrown, "name") ?? "Error";
  const message = (read(thrown, "message") ?? "a message that cannot be read") || innerMessage(thrown);
  const stack = read(thrown, "stack");
  return {
    name: cleanText(name, MAX_NAME),
    message: cleanText(message, MAX_MESSAGE),
    ...(stack === undefined ? {} : { stack: cleanText(stack, MAX_STACK) }),
  };
}

/**
 * Makes a text that Postgres can keep: NUL becomes U+2400, lone surrogates U+FFFD, and what is
 * longer than `max` characters is cut. Peers have lost jobs to an error text that could not be
 * written (`hatchet#4611`, `kestra#10326`).
 */
export function cleanText(text: string, max: number): string {
  const cut = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  return cut.replaceAll("\u0000", "\u2400").toWellFormed();
}

/** What Node makes of a host with several addresses is an AggregateError without a message. */
function innerMessage(thrown: object): string {
  try {
    const errors: unknown = Reflect.get(thrown, "errors");
    return Array.isArray(errors) && isErrorLike(errors[0]) ? (read(errors[0], "message") ?? "") : "";
  } catch {
    return "";
  }
}

function isErrorLike(thrown: unknown): thrown is object {
  try {
    return (
      thrown instanceof Error ||
      (typeof thrown === "object" && thrown !== null && typeof Reflect.get(thrown, "message") === "string")
    );
  } catch {
    return false;
  }
}

function read(thrown: object, key: string): string | undefined {
  try {
    const value: unknown = Reflect.get(thrown, key);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

function show(thrown: unknown): string {
  try {
    if (typeof thrown === "string") return thrown;
    if (typeof thrown === "object" && thrown !== null) return JSON.stringify(thrown) ?? "an object";
    return String(thrown);
  } catch {
    return "a value that cannot be shown";
  }
}
