import { PayloadError, describe, describeType } from "./errors.ts";

/** The largest payload by default, in bytes of its JSON text: 1 MiB. */
export const MAX_PAYLOAD_BYTES = 1_048_576;

/** The deepest nesting of a payload. `JSON.stringify` itself gives up between 1,000 and 5,000. */
const MAX_DEPTH = 100;

/**
 * Makes the JSON text of a payload (or of a progress value, or a result), or refuses it before
 * anything is written, so that it cannot fail the jobs that it would be written with. Refused are: what JSON does not know (`undefined`,
 * functions, symbols, BigInt, NaN, Infinity), what JSON would silently change (Map, Set, RegExp,
 * class instances without `toJSON`), cycles, nesting beyond 100, NUL and lone surrogates in texts
 * and keys (Postgres refuses them), and texts above `maxBytes`.
 *
 * Members that are `undefined` are left out, as JSON does; `-0` becomes `0`; a Date becomes its ISO
 * text.
 *
 * @throws PayloadError naming the path and what is there, never the value of a text.
 */
export function toJsonText(
  kind: string,
  value: unknown,
  maxBytes: number = MAX_PAYLOAD_BYTES,
  what: "payload" | "progress" | "result" = "payload",
): string {
  check(value, what, 0, kind);
  const text = textOf(value);
  if (text === undefined) {
    throw refuse(kind, what, "something whose getters, toJSON or Proxy tell another thing each time");
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) {
    throw new PayloadError(
      `The ${what} of a ${JSON.stringify(kind)} job must have at most ${maxBytes} bytes of JSON, it has ${bytes}`,
    );
  }
  return text;
}

/** What JSON writes with `\u`, and Postgres refuses: NUL and lone surrogates. */
const REFUSED_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

/** Reads the value once more: `undefined` when it is not what it was when it was checked. */
function textOf(value: unknown): string | undefined {
  try {
    // Not always a text, whatever its type says: `toJSON` may answer with `undefined`.
    const text = JSON.stringify(value) as string | undefined;
    return text?.includes("\\u") === true && REFUSED_ESCAPE.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function check(value: unknown, path: string, depth: number, kind: string): void {
  if (depth > MAX_DEPTH) throw refuse(kind, path, `nested deeper than ${MAX_DEPTH} levels or a cycle`);
  switch (typeof value) {
    case "string":
      if (value.includes("\u0000")) throw refuse(kind, path, "a text with a NUL character");
      if (!value.isWellFormed()) throw refuse(kind, path, "a text with a lone surrogate");
      return;
    case "number":
      if (!Number.isFinite(value)) throw refuse(kind, path, describe(value));
      return;
    case "boolean":
      return;
    case "object":
      if (value !== null) checkObject(value, path, depth, kind);
      return;
    default:
      throw refuse(kind, path, describeType(value));
  }
}

function checkObject(value: object, path: string, depth: number, kind: string): void {
  try {
    checkMembers(value, path, depth, kind);
  } catch (error) {
    if (error instanceof PayloadError) throw error;
    throw refuse(kind, path, "something of which a getter, toJSON or Proxy threw", error);
  }
}

function checkMembers(value: object, path: string, depth: number, kind: string): void {
  if ("toJSON" in value && typeof value.toJSON === "function") {
    const plain: unknown = (value as { toJSON: () => unknown }).toJSON();
    if (value instanceof Date && plain === null) throw refuse(kind, path, "an invalid Date");
    if (!Buffer.isBuffer(value)) return check(plain, path, depth + 1, kind);
  }
  if (Array.isArray(value)) {
    // Not forEach, which passes over holes.
    for (let index = 0; index < value.length; index += 1) {
      check(value[index], `${path}[${index}]`, depth + 1, kind);
    }
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype && Object.getPrototypeOf(prototype) !== null) {
    throw refuse(kind, path, `an instance of a class, which JSON does not keep`);
  }
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    check(key, `${path} (a key)`, depth + 1, kind);
    check(member, `${path}.${key}`, depth + 1, kind);
  }
}

function refuse(kind: string, path: string, what: string, cause?: unknown): PayloadError {
  return new PayloadError(
    `The ${path.split(/\W/, 1)[0]} of a ${JSON.stringify(kind)} job cannot be kept as JSON: ${path} is ${what}`,
    cause === undefined ? undefined : { cause },
  );
}
