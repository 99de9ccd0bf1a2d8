import { describe, expect, it } from "vitest";
import type { Logger } from "../../mesh/runtime.ts";
import { applyCapture } from "./apply-capture.ts";
import { parseCaptureArgs } from "./capture-args.ts";
import type { CaptureSystem, CommandResult } from "./capture-system.ts";

const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silent };
function ignore(): void {}

const succeeded: CommandResult = { kind: "exited", status: 0, stdout: "", stderr: "" };
const noNfTables: CommandResult = {
  kind: "exited",
  status: 1,
  stdout: "",
  stderr: "Failed to initialize nft: Protocol not supported",
};

/** A system whose iptables saves the rules it receives, under the given program name. */
function machineWith(program: string, files: Readonly<Record<string, string>> = {}): CaptureSystem {
  let saved = "";
  return {
    readText: async (path) => files[path],
    run: async (file, _args, stdin) => {
      if (file === `${program}-save`) return { ...succeeded, stdout: saved };
      if (file !== `${program}-restore`) return file.startsWith("iptables") ? noNfTables : { kind: "not_found" };
      saved = (stdin ?? "").replace("*nat\n", "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n");
      return succeeded;
    },
  };
}

describe("applying the capture rules", () => {
  it("tries the legacy programs if the kernel has no nf_tables", async () => {
    const deps = { system: machineWith("iptables-legacy"), log: silent };
    const reports = await applyCapture(parseCaptureArgs([]), deps);
    expect(reports).toEqual([{ family: "ipv4", backend: "iptables-legacy", changed: true }]);
  });

  it("changes nothing the second time", async () => {
    const deps = { system: machineWith("iptables"), log: silent };
    await applyCapture(parseCaptureArgs([]), deps);
    expect(await applyCapture(parseCaptureArgs([]), deps)).toMatchObject([{ changed: false }]);
  });

  it("fails if the rules are accepted but missing when read back", async () => {
    const system: CaptureSystem = { readText: async () => undefined, run: async () => succeeded };
    await expect(applyCapture(parseCaptureArgs([]), { system, log: silent })).rejects.toMatchObject({
      code: "capture_not_in_force",
      message: expect.stringContaining("ISTIO_INBOUND"),
    });
  });

  it("fails if the pod has IPv6 and no program can capture it", async () => {
    const address =
      "fe800000000000000000000000000001 02 40 20 80 eth0\n00000000000000000000000000000006 01 80 00 80 lo\n";
    const system = machineWith("iptables", { "/proc/net/if_inet6": address });
    await expect(applyCapture(parseCaptureArgs([]), { system, log: silent })).rejects.toMatchObject({
      code: "iptables_missing",
      message: expect.stringContaining("ip6tables"),
    });
    expect(await applyCapture(parseCaptureArgs(["--ipv6", "off"]), { system, log: silent })).toHaveLength(1);
  });
});
