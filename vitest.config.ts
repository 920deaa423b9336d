import { defineConfig } from "vitest/config";
import { tallyReporter } from "./scripts/tally-reporter.ts";

/** What needs a database: one server for all, one database for each file. */
const WITH_DATABASE = ["test/{postgres,system}/**/*.test.ts", "test/{contract,events}/postgres-*.test.ts"];

/**
 * On a machine that others load a process may be held up for seconds, so that a lease runs out. A test that
 * needed its second run is shown with `retry x1`: it is to be mended.
 */
const RETRY = process.env["CI"] === undefined ? 0 : 1;

export default defineConfig({
  test: {
    reporters: ["default", tallyReporter()],
    // Two cores are what the tests are timed for; more workers would need more connections, too.
    maxWorkers: 2,
    coverage: { provider: "v8", include: ["src/**"], reporter: ["text", "html"] },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: WITH_DATABASE,
          testTimeout: 10_000,
          retry: RETRY,
        },
      },
      {
        test: {
          name: "postgres",
          include: WITH_DATABASE,
          globalSetup: ["test/support/postgres-server.ts"],
          testTimeout: 30_000,
          hookTimeout: 30_000,
          retry: RETRY,
        },
      },
    ],
  },
});
