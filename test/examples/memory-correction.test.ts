import { describe, expect, it } from "vitest";
import { correctedText, retirementReason } from "../../examples/memory/text/correction.ts";

const turn = (text: string) => ({
  id: 1,
  year: 1962,
  president: "John F Kennedy",
  position: 0,
  text,
});

describe("correctedText", () => {
  it("withdraws the last sentence, unless it is the only one", () => {
    expect(correctedText(turn("The Nation is strong. The tax was cut."))).toBe("The Nation is strong.");
    expect(correctedText(turn("The Nation is strong."))).toBe("The Nation is strong.");
  });

  it("spells out contractions", () => {
    expect(correctedText(turn("We're gratified, but we don't rest."))).toBe(
      "We are gratified, but we do not rest.",
    );
  });

  it("turns relative years into years", () => {
    expect(
      correctedText(turn("Output fell last year and will rise this year, unlike this year's debt.")),
    ).toBe("Output fell in 1961 and will rise in 1962, unlike this year's debt.");
  });
});

describe("retirementReason", () => {
  const fact = "Wholesale prices didn't decline last year.";

  it("is stale where the corrected text says much the same", () => {
    expect(
      retirementReason(fact, ["The Nation is strong.", "Wholesale prices did not decline in 1961."]),
    ).toBe("stale");
  });

  it("is rejected where the corrected text says it no more", () => {
    expect(retirementReason(fact, ["The Nation is strong."])).toBe("rejected");
    expect(retirementReason(fact, [])).toBe("rejected");
  });
});
