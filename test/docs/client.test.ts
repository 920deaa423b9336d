import { describe, expect, it } from "vitest";
import { createClient } from "../../src/index.ts";
import { readDocument, tableRows } from "./document.ts";

const [, ...rows] = tableRows(readDocument("docs/client.md"));
const listed = rows.map(([call = ""]) => /^\w*/.exec(call)?.[0]);

describe("docs/client.md", () => {
  it("has every method of a client, and no others", async () => {
    await using client = createClient({ connectionString: "postgres://localhost/none", jobs: {} });
    expect(new Set(listed)).toEqual(new Set(Object.keys(client)));
    expect(listed).toHaveLength(Object.keys(client).length);
  });
});
