import { systemClock } from "../../mesh/runtime.ts";
import { createAuthorityReport } from "../../operator/ca/authority-report.ts";
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
    const [control, replicas] = await Promise.all([store.read(), readReplicas(context.signal)]);
    return createAuthorityReport({ replicas, control, nowMs: systemClock.now() });
  });
  const text = () => formatAuthority(report, { nowMs: systemClock.now(), palette: choosePalette(context) });
  context.stdout(values.isJson ? formatJson(report) : text());
  return report.problems.length === 0 ? 0 : 1;
}
