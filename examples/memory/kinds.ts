/** Every kind of job there is, in the order in which a turn goes through them. */
export const KINDS = [
  "extract",
  "embed",
  "categorize",
  "relational_extract",
  "synthesize",
  "reprocess",
] as const;

/** A kind of job. */
export type Kind = (typeof KINDS)[number];
