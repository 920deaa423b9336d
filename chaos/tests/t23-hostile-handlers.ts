import type { HostileOrder, HostileResult } from "../children/hostile.ts";
import { startChild } from "../harness/child.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { ChaosTest } from "../harness/test.ts";

/** So long may the process take to end by itself after its last word. */
const EXIT_MS = 3_000;

/**
 * Handlers that do whatever a handler should not, all at once in one worker, with harmless jobs beside
 * them. Each job must end in its documented state, with a reason that tells what happened, and the
 * process must live through it and then end by itself.
 */
export const t23: ChaosTest = {
  id: "T23",
  title: "hostile handlers",
  ci: true,
  run: async ({ size, database: open }) => {
    await using database = await open();
    const order: HostileOrder = { connectionString: database.connectionString, harmless: size(1_000, 200) };
    await using child = startChild<HostileResult>("hostile", order);
    const result = await child.hear("result");
    const helped = setTimeout(() => child.process.kill("SIGKILL"), EXIT_MS);
    const how = await child.ended;
    clearTimeout(helped);
    const wrong = [...result.unended, ...result.wrongEnds, ...result.unreadable];
    if (wrong.length > 0) process.stderr.write(`T23: ${wrong.join("; ")}\n`);
    const audit = await database.audit();
    return {
      figures: {
        hostile: result.hostile,
        unended: result.unended.length,
        wrongEnds: result.wrongEnds.length,
        unreadable: result.unreadable.length,
        harmlessDone: result.harmlessDone,
        unfinished: audit["unfinished"] ?? -1,
        backendsLeft: audit["backendsLeft"] ?? -1,
        badExits: how === "0" ? 0 : 1,
      },
      rules: {
        hostile: atLeast(30),
        unended: is(0),
        wrongEnds: is(0),
        unreadable: is(0),
        harmlessDone: is(order.harmless),
        // Results that are kept are none of them: no handler here both keeps one and succeeds.
        unfinished: is(0),
        backendsLeft: is(0),
        badExits: is(0),
      },
    };
  },
};
