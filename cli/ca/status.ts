import { CaError } from "../../ca-agent/ca-error.ts";
import { EMPTY_CONTROL_STATE } from "../../ca-agent/control/control-state.ts";
import type { ControlStore } from "../../ca-agent/control/control-store.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { type AuthorityReportInput, createAuthorityReport } from "../../operator/ca/authority-report.ts";
import { formatAuthority } from "../../operator/ca/format-authority.ts";
import { choosePalette } from "../../operator/text/palette.ts";
import type { CommandContext } from "../command.ts";
import { formatJson } from "../reports/report-options.ts";
import { type CaMeshOptionValues, withCaMesh } from "./ca-mesh.ts";

/** `entente ca status`. */
export async function showStatus(
  values: CaMeshOptionValues & { readonly isJson: boolean },
  context: CommandContext,
): Promise<number> {
  const report = await withCaMesh(values, context, async ({ store, readReplicas }) => {
    const [asked, replicas] = await Promise.all([readControl(store), readReplicas(context.signal)]);
    return createAuthorityReport({ ...asked, replicas, nowMs: systemClock.now() });
  });
  const text = () => formatAuthority(report, { nowMs: systemClock.now(), palette: choosePalette(context) });
  context.stdout(values.isJson ? formatJson(report) : text());
  return report.problems.length === 0 ? 0 : 1;
}

/** What somebody has damaged is a problem to show, among everything else that is known. */
async function readControl(store: ControlStore): Promise<Pick<AuthorityReportInput, "control" | "controlFault">> {
  try {
    return { control: await store.read() };
  } catch (caught) {
    if (!(caught instanceof CaError) || caught.code !== "control_state") throw caught;
    return { control: EMPTY_CONTROL_STATE, controlFault: caught.message };
  }
}
