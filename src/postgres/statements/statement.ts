/** One SQL statement of the library, built once for a schema. Values come only as `$n`. */
export interface Statement {
  /** Its name: in errors, and of the prepared statement. The same name always has the same text. */
  readonly name: string;
  readonly text: string;
}
