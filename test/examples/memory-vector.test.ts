import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentStems } from "../../examples/memory/text/language.ts";
import { cosine, DIMENSIONS, rarityOf, vectorOf } from "../../examples/memory/text/vector.ts";

const sentences = [
  "The treaty with Great Britain for the suppression of the slave trade has been put into operation.",
  "We must help workers who lose their jobs.",
  "Private health insurance helps very few, for its cost is high and its coverage limited.",
  "The farmers of this country need good roads.",
];
const rarity = rarityOf(sentences.map(contentStems));
const place = (text: string) => vectorOf(contentStems(text), rarity);

describe("vectorOf", () => {
  it("gives a vector of length 1, in rising dimensions within bounds", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (stems) => {
        const { dimensions, weights } = vectorOf(stems, rarity);
        // Only stems that cancel each other out exactly leave nothing.
        if (dimensions.length > 0) expect(Math.hypot(...weights)).toBeCloseTo(1, 9);
        expect(dimensions).toEqual([...new Set(dimensions)].toSorted((a, b) => a - b));
        for (const dimension of dimensions) {
          expect(dimension).toBeGreaterThanOrEqual(0);
          expect(dimension).toBeLessThan(DIMENSIONS);
        }
      }),
    );
  });

  it("gives the same vector for the same words in another order", () => {
    const [forth, back] = [
      vectorOf(["tax", "farm", "road"], rarity),
      vectorOf(["road", "tax", "farm"], rarity),
    ];
    expect(back.dimensions).toEqual(forth.dimensions);
    expect(cosine(forth, back)).toBeCloseTo(1, 9);
  });

  it("gives no dimensions for no words", () => {
    expect(vectorOf([], rarity)).toEqual({ dimensions: [], weights: [] });
  });

  it("weighs rare words more", () => {
    const common = rarityOf([["we", "tax"], ["we"], ["we"]]);
    const { dimensions, weights } = vectorOf(["we", "tax"], common);
    const weightOf = (stem: string) =>
      Math.abs(weights[dimensions.indexOf(vectorOf([stem], common).dimensions[0] ?? -1)] ?? 0);
    expect(weightOf("tax")).toBeGreaterThan(weightOf("we"));
  });
});

describe("cosine", () => {
  it("is 1 for the same text and 0 for texts without a word in common", () => {
    expect(cosine(place(sentences[0] ?? ""), place(sentences[0] ?? ""))).toBeCloseTo(1, 9);
    expect(cosine(place("farmers and roads"), place("health insurance"))).toBe(0);
  });

  it("ranks the sentence that answers a question first", () => {
    const nearestTo = (question: string) =>
      sentences.toSorted((a, b) => cosine(place(b), place(question)) - cosine(place(a), place(question)))[0];
    expect(nearestTo("Who helps a worker who lost the job?")).toBe(sentences[1]);
    expect(nearestTo("What was done against slave traders?")).toBe(sentences[0]);
    expect(nearestTo("What does insurance cost?")).toBe(sentences[2]);
  });
});
