import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createLists,
  intermediate,
  type ListsUnderTest,
  one,
  listsPem as pem,
  two,
  unknownRoot,
} from "./live-lists-fixture.ts";

let given: ListsUnderTest;
beforeEach(() => {
  given = createLists();
});
afterEach(() => given.stop.abort());

describe("lists in force", () => {
  it("are never replaced by older ones", () => {
    given.take(pem(two));
    given.take(pem(one));
    expect(given.lists.fault()).toContain("is older than the one in force");
    expect(given.listed()).toEqual(["4F", "50"]);
  });

  it("stay in force when they are removed", () => {
    given.take(pem(two, { issuer: intermediate, ...one }), intermediate.pem);
    given.lists.take({ kind: "absent" });
    expect(given.listed().toSorted()).toEqual(["4F", "4F", "50"]);
    given.take(pem(two));
    expect(given.listed()).toHaveLength(3);
    expect(
      given.log.find("they stay in force until the control plane starts again").map(({ fields }) => fields["lists"]),
    ).toEqual([2, 1]);
  });

  it("are in force together when a newer one was added to the text, however often that is looked at", () => {
    const text = pem(two, { ...one, thisUpdate: new Date("2026-03-01T00:00:00Z") });
    given.take(text);
    given.changeRoots();
    expect([given.lists.fault(), given.listed().toSorted()]).toEqual([undefined, ["4F", "50"]]);
    given.take(pem(two));
    expect(given.lists.fault()).toContain("is older than the one in force");
  });

  it("lift an entry, or all, by a newer one of the same issuer without it", () => {
    given.take(pem(two, { issuer: intermediate, ...one }), intermediate.pem);
    given.take(pem({ ...one, thisUpdate: new Date("2026-03-01T00:00:00Z") }));
    expect(given.listed()).toEqual(["4F", "4F"]);
    given.take(pem({ entries: [], thisUpdate: new Date("2026-04-01T00:00:00Z") }));
    expect([given.listed(), given.lists.fault()]).toEqual([["4F"], undefined]);
  });

  it("of one second are ordered by their number", () => {
    const numbered = (number: number, serialNumber: string) =>
      pem({
        entries: [{ serialNumber }],
        extensions: [{ oid: "2.5.29.20", critical: false, der: Buffer.from([2, 1, number]) }],
      });
    given.take(numbered(8, "50"));
    given.take(numbered(7, "51"));
    expect([given.lists.fault(), given.listed()]).toEqual([expect.stringContaining("is older than"), ["50"]]);
    given.take(numbered(9, "51"));
    expect([given.lists.fault(), given.listed()]).toEqual([undefined, ["51"]]);
  });

  it.each([
    { name: "alone", text: "# no other lists\n", left: [] },
    { name: "with Windows' ends of lines", text: "# no other lists \r\n", left: [] },
    { name: "with a list", text: `# no other lists\n${pem(one)}`, left: ["4F"] },
    { name: "behind a list", text: `${pem(one)}\n# no other lists`, left: ["4F"] },
  ])("are withdrawn by the operator's statement $name", ({ text, left }) => {
    given.take(pem(one, { issuer: intermediate, ...two }), intermediate.pem);
    given.take(text);
    expect([given.lists.fault(), given.listed()]).toEqual([undefined, left]);
    expect(given.log.find("were withdrawn by the operator")).toHaveLength(1);
    given.lists.take({ kind: "absent" });
    expect(given.listed()).toEqual(left);
  });

  it.each(["# no other list", "no other lists", "# no other lists please", "x # no other lists"])(
    "are not withdrawn by %j",
    (text) => {
      given.take(pem(two));
      given.take(text);
      expect(given.listed()).toEqual(["4F", "50"]);
      expect(given.lists.fault()).toContain("something other than complete PEM blocks");
    },
  );

  it("are not withdrawn by a statement with a list that is refused", () => {
    given.take(pem(two));
    given.take(`# no other lists\n${pem({ issuer: unknownRoot })}`);
    expect(given.listed()).toEqual(["4F", "50"]);
  });

  it("of the future are refused until an hour before, so that they do not keep out all later ones", async () => {
    given.take(pem({ ...two, thisUpdate: new Date(given.clock.now() - 3_600_000) }));
    const thisUpdate = new Date(given.clock.now() + 3 * 3_600_000);
    given.take(pem({ ...one, thisUpdate }));
    expect([given.lists.fault(), given.listed()]).toEqual([expect.stringContaining("is of the future"), ["4F", "50"]]);
    await given.clock.advance(2 * 3_600_000 + 60_000);
    expect([given.lists.fault(), given.listed()]).toEqual([undefined, ["4F"]]);
  });
});
