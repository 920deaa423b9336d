import { describe, expect, it } from "vitest";
import { contentStems } from "../../examples/memory/text/language.ts";
import { factKey, reconcile } from "../../examples/memory/text/reconcile.ts";
import type { KeptTriple, Known } from "../../examples/memory/text/reconcile.ts";

const nothing: Known = { facts: new Map(), triples: new Map() };
const triple = (overrides: Partial<KeptTriple> = {}): KeptTriple => ({
  id: "t1",
  sentence: 0,
  subject: "State of Union",
  verb: "be",
  object: "strong",
  negated: false,
  ...overrides,
});
const said = (...ways: ("affirmed" | "denied")[]): Known => ({
  facts: new Map(),
  triples: new Map([["state of union | be | strong", new Set(ways)]]),
});
const verdict = (kept: KeptTriple, known: Known) => reconcile([], [kept], known).judgements[0]?.verdict;

describe("reconcile", () => {
  it("calls a triple new that nobody said before", () => {
    expect(verdict(triple(), nothing)).toBe("new");
  });

  it("confirms what was said before, denials too", () => {
    expect(verdict(triple(), said("affirmed"))).toBe("confirmed");
    expect(verdict(triple({ negated: true }), said("denied"))).toBe("confirmed");
  });

  it("finds a contradiction in either direction, even where others agree", () => {
    expect(verdict(triple(), said("denied"))).toBe("contradicted");
    expect(verdict(triple({ negated: true }), said("affirmed"))).toBe("contradicted");
    expect(verdict(triple(), said("affirmed", "denied"))).toBe("contradicted");
  });

  it("does not take one someone for another", () => {
    const known: Known = {
      facts: new Map(),
      triples: new Map([["someone | solve | problem", new Set(["denied"] as const)]]),
    };
    const solved = triple({ subject: "someone", verb: "solve", object: "problem" });
    expect(verdict(solved, known)).toBe("new");
  });

  it("ties each triple to the fact of its sentence", () => {
    const facts = [{ id: "f7", sentence: 2, key: "a" }];
    const triples = [triple({ sentence: 2 }), triple({ id: "t2", sentence: 3, verb: "seem" })];
    expect(reconcile(facts, triples, nothing).judgements.map(({ fact }) => fact)).toEqual(["f7", undefined]);
  });

  it("finds facts that an earlier turn, or the same, has said", () => {
    const facts = [
      { id: "f1", sentence: 0, key: "a" },
      { id: "f2", sentence: 1, key: "b" },
      { id: "f3", sentence: 2, key: "b" },
    ];
    expect(reconcile(facts, [], { ...nothing, facts: new Map([["a", "f0"]]) }).duplicates).toEqual([
      { fact: "f1", sameAs: "f0" },
      { fact: "f3", sameAs: "f2" },
    ]);
  });

  it("gives an empty synthesis for an empty turn", () => {
    expect(reconcile([], [], nothing)).toEqual({ duplicates: [], judgements: [] });
  });
});

describe("factKey", () => {
  const key = (text: string) => factKey(contentStems(text));

  it("is the same whatever the word order and inflection", () => {
    expect(key("The treaty was ratified by the Senate.")).toBe(key("The Senate ratifies the treaties."));
  });

  it("differs where a word differs", () => {
    expect(key("The Senate ratified the treaty.")).not.toBe(key("The Senate rejected the treaty."));
  });
});
