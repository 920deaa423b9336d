import type { SnapshotHolder, Tidied } from "../core/store-calls.ts";
import type { Run } from "./database.ts";
import type { Statements } from "./statements.ts";

/** Not permitted: on some servers, only a few may ask who is there. */
const REFUSED = "42501";

/** `tidy` of the store. A role that may not look who holds snapshots is told of none. */
export function tidying(run: Run, sql: Statements): () => Promise<Tidied> {
  let statement = sql.tidy;
  const tidy = async (): Promise<Tidied> => {
    try {
      const [row] = await run<{ holder: string | null }>(statement);
      return { holder: holderOf(row?.holder) };
    } catch (error) {
      if (statement === sql.tidyUnseen || !isRefused(error)) throw error;
      statement = sql.tidyUnseen;
      return tidy();
    }
  };
  return tidy;
}

function holderOf(text: string | null = null): SnapshotHolder | undefined {
  return text === null ? undefined : (JSON.parse(text) as SnapshotHolder);
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, "code") === REFUSED;
}
