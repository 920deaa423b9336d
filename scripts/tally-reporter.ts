import { writeSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

/** What a run came to. Everything that did not end well is a failure, also what never got to run. */
interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/**
 * Ends the output of a run with the line `N passed, N failed`.
 *
 * Files and suites that failed outside their tests, errors that nobody handled and a run that was cut
 * short count as failed, too, so the line never says `0 failed` of a run that went wrong.
 */
export function tallyReporter(): Reporter {
  let tally: Tally = { passed: 0, failed: 1 };
  return {
    onInit: () => {
      // What Vitest says on its way out comes before the line.
      process.once("exit", (code) => {
        const failed = tally.failed === 0 && code !== 0 ? 1 : tally.failed;
        if (failed > 0 && code === 0) process.exitCode = 1;
        writeSync(process.stdout.fd, `${tally.passed} passed, ${failed} failed\n`);
      });
    },
    onTestRunEnd: (modules, unhandled, reason) => {
      const cut = reason === "interrupted" ? 1 : 0;
      const states = modules.flatMap(statesOf);
      const passed = states.filter((state) => state === "passed").length;
      const failed = states.filter((state) => state === "failed" || state === "pending").length;
      tally = { passed, failed: failed + unhandled.length + cut };
    },
  };
}

/** How each test ended, and one `failed` for the file and each suite that failed outside its tests. */
function statesOf(module: TestModule): string[] {
  const outside = [module, ...module.children.allSuites()].filter((entry) => entry.errors().length > 0);
  const tests = [...module.children.allTests()].map((test) => test.result().state);
  return [...outside.map(() => "failed"), ...tests];
}
