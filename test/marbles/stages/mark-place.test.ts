import { describe, expect, it } from "vitest";
import type { ClaimedJob } from "../../../src/core/job.ts";
import { createMarkPlace } from "../../../src/stages/mark-place.ts";
import { claimedJob } from "../../support/marbles.ts";

/** Claims one after the other: at a moment, jobs as `priority/id`, and whether the claim was full. */
type Claims = readonly (readonly [atMs: number, jobs: readonly string[], isFull: boolean])[];

const FULL = true;
const NOT_FULL = false;

/** Where the mark stands after each claim. */
function places(claims: Claims): readonly string[] {
  const mark = createMarkPlace();
  return claims.map(([at, jobs, isFull]) => {
    mark.claimed(jobs.map(job), isFull, at);
    const place = mark.place();
    return place === undefined ? "none" : `${place.priority}/${place.id}`;
  });
}

function job(text: string): ClaimedJob {
  const [priority = "", id = "", crashes = "0"] = text.split("/");
  return claimedJob({ priority: Number(priority), id, crashes: Number(crashes) });
}

describe("the place of the mark", () => {
  it("is the first last job, and follows after half a second to a second", () => {
    const claims: Claims = [0, 200, 400, 600, 800, 1_000, 1_200, 1_400].map((at, n) => [
      at,
      [`0/${n + 1}`],
      FULL,
    ]);
    expect(places(claims)).toEqual(["0/1", "0/1", "0/1", "0/1", "0/1", "0/1", "0/3", "0/3"]);
  });

  it("is none before the first job", () => {
    expect(places([[0, [], NOT_FULL]])).toEqual(["none"]);
  });

  it("compares ids as numbers", () => {
    const claims: Claims = [0, 500, 1_000, 1_500].map((at, n) => [at, [`0/${8 + n}`], NOT_FULL]);
    expect(places(claims)).toEqual(["0/8", "0/8", "0/8", "0/9"]);
  });

  it("does not go back for a retry of its priority, if the claim was not full", () => {
    expect(
      places([
        [0, ["0/5"], FULL],
        [10, ["0/2"], NOT_FULL],
      ]),
    ).toEqual(["0/5", "0/5"]);
  });

  it("goes back to the last job of a full claim, and does not forget it at the next turns", () => {
    const urgent: Claims = [
      [0, ["0/5"], FULL],
      [400, ["0/6"], FULL],
      [450, ["-1/7", "-1/8"], FULL],
    ];
    expect(places(urgent)).toEqual(["0/5", "0/5", "-1/8"]);
    expect(places([...urgent, [600, [], NOT_FULL], [1_200, [], NOT_FULL]]).slice(3)).toEqual([
      "-1/8",
      "-1/8",
    ]);
  });

  it("goes back to a more urgent priority that most jobs of a claim have", () => {
    expect(
      places([
        [0, ["10/1"], NOT_FULL],
        [10, ["0/2", "0/3", "10/4"], NOT_FULL],
      ]),
    ).toEqual(["10/1", "0/3"]);
  });

  it("stays for a few that are more urgent", () => {
    expect(
      places([
        [0, ["10/1"], NOT_FULL],
        [10, ["0/2", "10/3", "10/4"], NOT_FULL],
      ]),
    ).toEqual(["10/1", "10/1"]);
  });

  it("does not go on to a less urgent priority while jobs of its own come", () => {
    const both: Claims = Array.from({ length: 20 }, (_, n) => [
      n * 200,
      [n % 2 === 0 ? `0/${n}` : `10/${n}`],
      NOT_FULL,
    ]);
    expect(places(both).every((place) => place.startsWith("0/"))).toBe(true);
  });

  it("goes on to a less urgent priority when its own has ceased", () => {
    const claims: Claims = [
      [0, ["0/1"], NOT_FULL],
      [500, ["10/2"], NOT_FULL],
      [1_000, [], NOT_FULL],
      [1_500, [], NOT_FULL],
    ];
    expect(places(claims)).toEqual(["0/1", "0/1", "0/1", "10/2"]);
  });

  it("does not follow jobs that a worker died with, which come out of their turn", () => {
    expect(
      places([
        [0, ["0/9/1"], FULL],
        [10, ["0/1"], FULL],
      ]),
    ).toEqual(["none", "0/1"]);
  });
});
