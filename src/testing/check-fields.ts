import { checkOptions, rule } from "../core/check.ts";

const ANY = rule("anything", () => true);

/**
 * Checks that a builder is given no field that its answer does not have: a misspelt one would be as if
 * it had not been given.
 *
 * @throws OptionError
 */
export function checkFields(builder: string, fields: object, defaults: object): void {
  const rules = Object.fromEntries(Object.keys(defaults).map((name) => [name, ANY]));
  checkOptions(`fields of ${builder}`, fields, rules);
}
