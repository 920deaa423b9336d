import { describe, expect, it } from "vitest";
import { categorize } from "../../examples/memory/text/categories.ts";
import { contentStems } from "../../examples/memory/text/language.ts";

const labels = (text: string) => categorize(contentStems(text)).map(({ label }) => label);

describe("categorize", () => {
  it.each([
    ["Private health insurance helps very few, for its cost is high.", "health"],
    ["The soldiers of our army fought the enemy to the end.", "war"],
    ["The treaty was negotiated by our ambassador abroad.", "foreign policy"],
    ["No court may enforce a statute against the Constitution.", "law"],
    ["The budget needs neither new taxes nor more debt.", "finance"],
    ["Teachers help students learn to read in school.", "education"],
  ])("labels %j as %s", (text, label) => {
    expect(labels(text)[0]).toBe(label);
  });

  it("scores a label by its share of the matched words", () => {
    expect(categorize(contentStems("Good jobs depend on expanded trade."))).toEqual([
      { label: "economy", score: 0.5 },
      { label: "work", score: 0.5 },
    ]);
  });

  it("gives two labels at most", () => {
    expect(labels("Schools, jobs, taxes, farms, hospitals and armies matter.")).toHaveLength(2);
  });

  it("gives none where no word of the lexicon occurs", () => {
    expect(labels("We have come this far together.")).toEqual([]);
  });
});
