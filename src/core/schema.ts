import { OptionError, expected, expectedType } from "./errors.ts";

/**
 * The part of a Standard Schema (https://standardschema.dev, version 1) that millrace uses, so that
 * schemas of zod, valibot, arktype and others can be given as they are.
 */
export interface PayloadSchema<Input = unknown, Output = Input> {
  /** The properties of the standard, as its text describes them. */
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => ValidationResult<Output> | Promise<ValidationResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a validation says: a value, or issues. */
export type ValidationResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly ValidationIssue[] };

/** One thing that is wrong with a payload. */
export interface ValidationIssue {
  /** What is wrong, in words. */
  readonly message: string;
  /** Where it is wrong: the keys from the payload down. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Every kind of job and the schema of its payload. */
export type JobSchemas = Readonly<Record<string, PayloadSchema>>;

/** The names of the kinds. */
export type KindOf<Jobs extends JobSchemas> = Extract<keyof Jobs, string>;

/** What may be given to `enqueue` for a schema. */
export type PayloadInput<Schema extends PayloadSchema> = NonNullable<Schema["~standard"]["types"]>["input"];

/** What a handler gets for a schema. */
export type PayloadOutput<Schema extends PayloadSchema> = NonNullable<Schema["~standard"]["types"]>["output"];

/**
 * A payload type without a check at run time.
 *
 * ```ts
 * const client = createClient({ connectionString, jobs: { greet: payload<{ name: string }>() } });
 * ```
 */
export function payload<T>(): PayloadSchema<T> {
  return UNCHECKED;
}

/** Takes every value as it is. */
const UNCHECKED: PayloadSchema<never> = {
  "~standard": { version: 1, vendor: "millrace", validate: (value) => ({ value: value as never }) },
};

/** Whether the schema of a kind checks nothing, so that asking it can be spared. */
export function isUnchecked(schema: PayloadSchema): boolean {
  return schema === (UNCHECKED as PayloadSchema);
}

/**
 * Checks the map of kinds that a client is made with.
 *
 * @throws OptionError for a kind whose name breaks the rules or whose schema is none.
 */
export function checkJobs(jobs: unknown): asserts jobs is JobSchemas {
  if (typeof jobs !== "object" || jobs === null || Array.isArray(jobs)) {
    throw new OptionError(expected("jobs", "an object of kinds and their schemas", jobs));
  }
  for (const [kind, schema] of Object.entries(jobs)) {
    checkName("kind", kind);
    const standard: unknown = (schema as PayloadSchema | null)?.["~standard"];
    if (typeof standard !== "object" || standard === null || !("validate" in standard)) {
      throw new OptionError(
        expected(`jobs.${kind}`, "a Standard Schema, or payload<T>() for a type without a check", schema),
      );
    }
  }
}

/** The longest name of a kind, a queue, a source or a label, in characters. */
export const MAX_NAME_LENGTH = 200;

const NAME = `a text of 1 to ${MAX_NAME_LENGTH} characters without NUL or lone surrogates`;

/**
 * Checks a name: 1 to 200 characters, no NUL, no lone surrogate, not only white space.
 *
 * @throws OptionError
 */
export function checkName(what: string, name: unknown): asserts name is string {
  if (!isName(name)) throw new OptionError(expected(what, NAME, name));
}

/**
 * Checks the key of a job, which no message shows.
 *
 * @throws OptionError
 */
export function checkKey(key: unknown): asserts key is string {
  if (!isName(key)) throw new OptionError(expectedType("key", NAME, key));
}

/** Whether something is a name as `checkName` has it. */
export function isName(name: unknown): name is string {
  return (
    typeof name === "string" &&
    name.trim() !== "" &&
    name.length <= MAX_NAME_LENGTH &&
    !name.includes("\u0000") &&
    name.isWellFormed()
  );
}

/**
 * One line that tells the issues of a validation. What a schema says is left out where it quotes the
 * value that it refuses, as some do.
 */
export function describeIssues(issues: readonly ValidationIssue[], value: unknown): string {
  return issues
    .slice(0, 5)
    .map(({ message, path = [] }) => {
      const keys = path.map((part) => (typeof part === "object" ? part.key : part));
      const told = quotes(message, value, keys) ? "does not fit (what its schema says quotes it)" : message;
      return [...(keys.length === 0 ? [] : [keys.map(String).join(".")]), told].join(": ");
    })
    .join("; ");
}

/** Whether a message has a text or a number in it of what is at a path. */
function quotes(message: string, value: unknown, keys: readonly PropertyKey[]): boolean {
  const words = message.split(/[^\p{L}\p{N}]+/u);
  const leaves: unknown[] = [];
  try {
    const part = keys.reduce((whole, key) => Reflect.get(Object(whole) as object, key) as unknown, value);
    JSON.stringify(part ?? value, (_, leaf: unknown) => (leaves.push(leaf), leaf));
  } catch {
    return true; // a cycle, a BigInt, a getter
  }
  return leaves.some((leaf) => {
    if (typeof leaf !== "string" && typeof leaf !== "number") return false;
    const text = String(leaf);
    // Short ones are looked for as words: else a payload of "a" would hide every message.
    if (/^\w{1,2}$/.test(text)) return words.includes(text);
    return [text, JSON.stringify(text).slice(1, -1)].some((form) => message.includes(form));
  });
}
