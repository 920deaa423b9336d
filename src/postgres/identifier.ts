/** Quotes a name for use as an SQL identifier, whatever is in it: `My "jobs"` becomes `"My ""jobs"""`. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a text for use as an SQL literal. Only for what cannot be a `$n`, as in DDL. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes("\\") ? ` E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}
