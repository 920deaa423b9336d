/** The names that a migration puts into its text, ready to be pasted. */
export interface Names {
  /** The schema as a quoted identifier. */
  readonly schema: string;
  /** The channel of notifications as a quoted literal. */
  readonly channel: string;
}

/** One step of the schema. Forward only, and never edited once it was released. */
export interface Migration {
  /** 1 and up, without gaps. */
  readonly version: number;
  /** What it brings, in a few words. */
  readonly name: string;
  /**
   * The lowest version of the schema whose library may keep working after this step. Workers of
   * older libraries stop with a `SchemaError`.
   */
  readonly minVersion: number;
  /** The text, run in one transaction under an advisory lock. */
  readonly sql: (names: Names) => string;
}
