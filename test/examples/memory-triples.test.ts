import { describe, expect, it } from "vitest";
import { extractTriples, tripleKey } from "../../examples/memory/text/triples.ts";

const triples = (text: string) =>
  extractTriples(text, "Abraham Lincoln").map(
    ({ subject, verb, object, negated }) => `${subject} – ${negated ? "not " : ""}${verb} – ${object}`,
  );

describe("extractTriples", () => {
  it.each([
    ["Congress passed the Social Security Act in 1935.", "Congress – pass – Social Security Act"],
    [
      "The Government of Mexico has paid the first installment of the indemnity.",
      "Government of Mexico – pay – first installment of indemnity",
    ],
    ["New jobs depend on expanded trade.", "new job – depend on – expanded trade"],
    ["We seek to advance freedom.", "we – seek to advance – freedom"],
    [
      "The Biological Weapons Convention has been in effect for 23 years now.",
      "Biological Weapons Convention – be in – effect",
    ],
  ])("finds who does what in %j", (text, triple) => {
    expect(triples(text)).toEqual([triple]);
  });

  it("turns passives round", () => {
    expect(triples("The treaty was ratified by the Senate.")).toEqual(["Senate – ratify – treaty"]);
  });

  it("has someone act where a passive sentence does not say who", () => {
    expect(triples("The army was never defeated.")).toEqual(["someone – not defeat – army"]);
  });

  it.each([
    ["The United States does not recognize the insurgents.", "United States – not recognize – insurgent"],
    ["We don't need roads.", "we – not need – road"],
    ["No law prohibits the practice.", "law – not prohibit – practice"],
  ])("sees the denial in %j", (text, triple) => {
    expect(triples(text)).toEqual([triple]);
  });

  it("names the speaker", () => {
    expect(triples("I renew my recommendation.")).toEqual(["Abraham Lincoln – renew – recommendation"]);
  });

  it("lets two verbs share their subject and their object", () => {
    expect(triples("Congress will pass and fund the program.")).toEqual([
      "Congress – pass – program",
      "Congress – fund – program",
    ]);
  });

  it("looks past a clause between subject and verb", () => {
    expect(triples("The men who built the railroads earned low wages.")).toContain("man – earn – low wage");
    expect(triples("The plan to provide revenue failed the nation.")).toEqual(["plan – fail – nation"]);
  });

  it.each([
    ["a question", "Does the law protect workers?"],
    ["a supposition", "If Congress passes the bill, then much is gained."],
    ["words that only point", "They need it."],
    ["an empty text", ""],
  ])("finds nothing in %s", (_, text) => {
    expect(triples(text)).toEqual([]);
  });

  it("tells a triple once, with the first sentence that says it", () => {
    expect(extractTriples("We need roads. We need roads.", "")).toHaveLength(1);
  });
});

describe("tripleKey", () => {
  it("ignores case and denial", () => {
    const [yes] = extractTriples("Taxes hurt business.", "");
    const [no] = extractTriples("Most people know that taxes do not hurt business.", "");
    expect([yes?.negated, no?.negated]).toEqual([false, true]);
    if (yes && no) expect(tripleKey(yes).replace("taxes", "tax")).toBe(tripleKey(no));
  });
});
