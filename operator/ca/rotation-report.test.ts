import { describe, expect, it } from "vitest";
import { EMPTY_CONTROL_STATE } from "../../ca-agent/control/control-state.ts";
import { PLAIN } from "../text/palette.ts";
import { createAuthorityReport } from "./authority-report.ts";
import { formatAuthority } from "./format-authority.ts";
import type { AuthorityReplica } from "./read-authority.ts";
import { at, authority, NEW, NOW_MS, OLD, proxy, replica, rotating, silentReplica } from "./replica-fixture.ts";

const report = (replicas: readonly AuthorityReplica[]) =>
  createAuthorityReport({ replicas, control: EMPTY_CONTROL_STATE, nowMs: NOW_MS });
const text = (replicas: readonly AuthorityReplica[]) =>
  formatAuthority(report(replicas), { nowMs: NOW_MS, palette: PLAIN });
const certificateOf = (rootFingerprint: string) => ({
  certificate: { serialNumber: "1A2B", notAfter: at(11), rootFingerprint },
});

describe("a control plane that refuses what is stored", () => {
  const refused = ["refuses the stored authority, and goes on with the one before: Secret x: restore it"];

  it("is in the report with the reason, and the others are not", () => {
    const { controlPlanes } = report([replica("istiod-a", authority({ refused })), replica("istiod-b")]);
    expect(controlPlanes).toEqual([{ pod: "istiod-a.istio-system", refused }, { pod: "istiod-b.istio-system" }]);
    const shown = text([replica("istiod-a", authority({ refused })), silentReplica("istiod-b")]);
    expect(shown).toMatch(
      /^Control planes: +2, 1 cannot be asked, 1 with an earlier state in force than the stored one$/m,
    );
    expect(shown).toContain("problem: istiod-a.istio-system refuses the stored authority");
  });

  it("says the same as the command has found itself only once", () => {
    const controlFault = "control_state: ConfigMap istio-system/entente-ca: it is not JSON";
    const input = { control: EMPTY_CONTROL_STATE, controlFault, nowMs: NOW_MS };
    const same = authority({ refused: [`refuses what is stored in entente-ca: ${controlFault}`] });
    expect(createAuthorityReport({ ...input, replicas: [replica("a", same)] }).problems).toHaveLength(1);
    expect(createAuthorityReport({ ...input, replicas: [replica("a")] }).problems).toEqual([controlFault]);
    const revoking = authority({ revoked: { certificates: 2, identities: 1, pods: 0 } });
    expect(createAuthorityReport({ ...input, replicas: [replica("a", revoking)] }).revocations).toEqual({
      ...{ certificates: 2, identities: 1, pods: 0, listed: 0 },
    });
  });
});

describe("the proxies that a rotation waits for", () => {
  const at1 = (phase: "published" | "signing", ...proxies: readonly ReturnType<typeof proxy>[]) =>
    report([replica("istiod-a", rotating(phase), proxies)]).unready;

  it("are those that do not trust the new root yet, and later those without a certificate of it", () => {
    const both = { trustedRoots: [OLD, NEW] };
    expect(at1("published", proxy("a", both), proxy("c"), proxy("b", { trustedRoots: null }))).toEqual([
      "b.ns1",
      "c.ns1",
    ]);
    expect(at1("signing", proxy("a", both), proxy("b", { ...both, ...certificateOf(NEW) }))).toEqual(["a.ns1"]);
    expect(report([replica("istiod-a", authority(), [proxy("a", { trustedRoots: null })])]).unready).toEqual([]);
  });

  it("are named, and counted if they are many", () => {
    const names = Array.from({ length: 9 }, (_, index) => proxy(`p${index}`));
    expect(text([replica("istiod-a", rotating("published"), names)])).toMatch(
      /^Waiting for: +p0\.ns1, p1\.ns1, p2\.ns1, p3\.ns1, p4\.ns1 and 4 more \(all with -o json\)$/m,
    );
  });
});
