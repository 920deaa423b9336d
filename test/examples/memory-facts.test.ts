import { describe, expect, it } from "vitest";
import { entitiesOf, extractFacts } from "../../examples/memory/text/facts.ts";
import { readSentences } from "../../examples/memory/text/language.ts";

const texts = (text: string) => extractFacts(text).map((fact) => fact.text);
const entities = (text: string) => readSentences(text).flatMap(entitiesOf);

describe("extractFacts", () => {
  it("takes each statement, with its place in the turn", () => {
    const facts = extractFacts(
      "How should we accomplish this? Our farmers produce more food than ever before. " +
        "The treaty with Great Britain has been put into operation with a good prospect of success.",
    );
    expect(facts.map((fact) => fact.sentence)).toEqual([1, 2]);
    expect(facts[1]?.entities).toEqual([{ text: "Great Britain", type: "NAME" }]);
  });

  it("leaves out questions, exclamations and sentences that say nothing by themselves", () => {
    expect(texts("Can this great nation afford such costs? We did it! That must change.")).toEqual([]);
  });

  it("drops headings", () => {
    expect(texts("II. FIGHTING INFLATION But recession is only one enemy of a free economy.")).toEqual([
      "But recession is only one enemy of a free economy.",
    ]);
  });

  it("drops salutations", () => {
    expect(
      texts("To the Senate and House of Representatives: The people of this country enjoy prosperity."),
    ).toEqual(["The people of this country enjoy prosperity."]);
  });

  it("gives nothing for an empty text", () => {
    expect(extractFacts("")).toEqual([]);
  });
});

describe("entitiesOf", () => {
  it("joins names over 'of' and 'of the'", () => {
    expect(entities("The Secretary of the Navy spoke to the House of Representatives.")).toEqual([
      { text: "Secretary of the Navy", type: "NAME" },
      { text: "House of Representatives", type: "NAME" },
    ]);
  });

  it("keeps sums, shares and dates, and no month apart from its date", () => {
    expect(entities("We met on July 12th, 1822 and spent $6 billion, which is 8 percent.")).toEqual([
      { text: "July 12th, 1822", type: "DATE" },
      { text: "$6 billion", type: "MONEY" },
      { text: "8 percent", type: "PERCENT" },
    ]);
  });

  it("takes no common first word for a name", () => {
    expect(entities("Stricter border enforcement will help combat illegal drugs.")).toEqual([]);
  });

  it("names each thing once", () => {
    expect(entities("Congress knows what Congress wants.")).toHaveLength(1);
  });
});
