/**
 * Writes values as the text of a Postgres array: `{"a","b",NULL}`.
 *
 * Array parameters are passed in this form, because every driver hands a text on as it is, while
 * each has rules of its own for JavaScript arrays.
 */
export function arrayLiteral(values: readonly (string | number | undefined)[]): string {
  return `{${values.map(element).join(",")}}`;
}

/** The same for one value, so many times. `count` from 1. */
export function repeatedLiteral(value: string | number | undefined, count: number): string {
  return `{${`${element(value)},`.repeat(count - 1)}${element(value)}}`;
}

function element(value: string | number | undefined): string {
  if (value === undefined) return "NULL";
  if (typeof value === "number") return String(value);
  return `"${value.replaceAll(/["\\]/gu, String.raw`\$&`)}"`;
}
