/** Texts that every object has a member of, or that look like nothing: they have broken somebody's code. */
export const ODD_KEYS: readonly string[] = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "",
  " ",
];
