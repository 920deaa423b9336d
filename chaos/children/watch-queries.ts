import pg from "pg";

/** A statement that this process sends. */
export interface Watched {
  /** The name of its connection. */
  readonly application: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Told of the rows of an answer, or of `undefined` where there was an error. */
export type Answered = (rows: readonly object[] | undefined) => void;

/** What is done about each statement. */
export interface Watch {
  /** Called before it is sent; what it returns is called with the answer. */
  readonly begin: (query: Watched) => Answered;
  /** Changes its text. Default: it stays. */
  readonly textOf?: (text: string) => string;
}

type Query = (...parts: unknown[]) => unknown;

/** From now on, watches every statement of this process. */
export function watchQueries({ begin, textOf = (text) => text }: Watch): void {
  const query = Reflect.get(pg.Client.prototype, "query") as Query;
  Reflect.set(pg.Client.prototype, "query", function watched(this: pg.Client, ...parts: unknown[]): unknown {
    const [config, given] = parts;
    const parameters = Reflect.get(this, "connectionParameters") as { application_name?: string };
    const sent = typeof config === "string" ? { text: config } : (config as { text: string });
    const { text, values = given } = sent as { readonly text: string; readonly values?: unknown };
    const end = begin({
      application: parameters.application_name ?? "",
      text,
      values: Array.isArray(values) ? values : [],
    });
    if (textOf(text) !== text) parts[0] = { ...sent, text: textOf(text) };
    const last = parts.length - 1;
    const callback = parts[last];
    if (typeof callback === "function") {
      parts[last] = (error: unknown, result: unknown) => {
        end(rowsOf(result));
        Reflect.apply(callback, undefined, [error, result]);
      };
      return Reflect.apply(query, this, parts);
    }
    const answer = Reflect.apply(query, this, parts);
    if (answer instanceof Promise)
      answer.then(
        (result) => end(rowsOf(result)),
        () => end(undefined),
      );
    else end(undefined);
    return answer;
  });
}

function rowsOf(result: unknown): readonly object[] | undefined {
  const rows: unknown =
    typeof result === "object" && result !== null ? Reflect.get(result, "rows") : undefined;
  return Array.isArray(rows) ? (rows as readonly object[]) : undefined;
}
