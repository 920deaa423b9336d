import type { Answer, Notes } from "../harness/ledger.ts";
import type { Answered, Watched } from "./watch-queries.ts";

/** The answers to COMPLETE, SETTLE and PROGRESS, and to no other statement, have it. */
interface Answering {
  /** As `id:token`, those of PROGRESS as `id`. */
  readonly refused: readonly string[];
}

/**
 * Notes of each outcome and each progress that a statement carried whether Postgres took it. Outcomes on
 * connections of the app are those of `complete(tx)`, and stand once it commits.
 */
export function noteAnswers(notes: Notes, app: string): (query: Watched) => Answered {
  return ({ application, values }) =>
    (rows) => {
      const [row] = rows ?? [];
      if (row === undefined || !isAnswering(row)) return;
      const refused = new Set(row.refused);
      const isSettle = "cancelled" in row;
      const kind = application === app ? "complete" : "set_config" in row ? "progress" : "settle";
      const [, ids, tokens, , , counted] = values.map(elementsOf);
      ids?.forEach((id, n) => {
        const token = tokens?.[n] ?? "0";
        const what: Answer["what"] = isSettle && counted?.[n] === "-1" ? "uncounted" : kind;
        notes.answered({ what, id, token, accepted: !refused.has(id) && !refused.has(`${id}:${token}`) });
      });
    };
}

function isAnswering(row: object): row is Answering {
  return "refused" in row && Array.isArray(row.refused);
}

/** Of the text of an array of numbers. */
function elementsOf(value: unknown): readonly string[] {
  return typeof value === "string" ? value.slice(1, -1).split(",") : [];
}
