import { parseArgs } from "node:util";
import { isOutdated, readEnforcedPolicies } from "../../operator/authorization/enforced-policies.ts";
import { explainAccess, isDenied } from "../../operator/authorization/explain-access.ts";
import { formatAccess } from "../../operator/authorization/format-access.ts";
import { formatPodAuthorization } from "../../operator/authorization/format-pod-authorization.ts";
import { describePodAuthorization } from "../../operator/authorization/pod-authorization.ts";
import { choosePalette } from "../../operator/text/palette.ts";
import { findPod } from "../../operator/workloads/find-by-name.ts";
import type { Command, CommandContext } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import {
  formatJson,
  loadReportSubject,
  parseChoice,
  REPORT_OPTIONS,
  type ReportOptionValues,
  withReportSubject,
} from "../reports/report-options.ts";
import { UsageError } from "../usage-error.ts";
import { ACCESS_OPTIONS, type AccessOptionValues, findQuestion, parseAccessOptions } from "./access-options.ts";

const OPTIONS = { ...REPORT_OPTIONS, ...ACCESS_OPTIONS } as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: [
    "check POD[.NAMESPACE] [-f FILE] [OPTION ...]",
    "explain (--from POD | --from-identity SPIFFE_ID | --plaintext) --to NAME[.NAMESPACE]:PORT [OPTION ...]",
  ],
  text: `
check shows which AuthorizationPolicies decide what clients may do at a pod, in the order in which its proxy asks them, and
what each rule means on ports that do not carry HTTP. In a cluster it also asks the pod's proxy what it enforces, and how often
each policy has decided.

explain shows for each workload behind a service whether a client is allowed, and the rule that decides; where it is denied,
the nearest rule that would allow it and what differs. VirtualServices are not followed.`,
  options: OPTIONS,
  words: [["check", "explain"]],
  notes: `
On a port of HTTP a request GET / is judged, unless --method, --path, --header or --token-claim describe another one. A token
is taken to be genuine and in its time. To ask a proxy needs the right to create pods/portforward.

The exit status of check is 1 if the proxy enforces something else than the configuration demands. That of explain is 0 if
every workload allows it, 1 if one denies it. It is 2 for an invalid command line.`,
};

/** What AuthorizationPolicies decide, and why. */
export const authzCommand: Command = {
  name: "authz",
  summary: "show which authorization policies apply to a pod, and why a request is allowed or denied",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    const [what, ...names] = positionals;
    const output = parseChoice(values.output, REPORT_OPTIONS.output.choices, "--output");
    const options = { ...values, isJson: output === "json" };
    if (what === "check") return await check(names, options, context);
    if (what === "explain") return await explain(names, options, context);
    const got = what === undefined ? "and it is missing" : `got "${what}"`;
    throw new UsageError(`the first argument must be check or explain, ${got}`);
  },
};

type Values = ReportOptionValues & AccessOptionValues & { readonly isJson: boolean };

async function check(names: readonly string[], values: Values, context: CommandContext): Promise<number> {
  const [name, ...rest] = names;
  if (name === undefined || rest.length > 0) {
    throw new UsageError(`check takes one pod, as NAME or NAME.NAMESPACE, got "${names.join(" ")}"`);
  }
  const foreign = Object.keys(ACCESS_OPTIONS).find((option) => Object.hasOwn(values, option));
  if (foreign !== undefined) throw new UsageError(`--${foreign} is an option of authz explain, not of check`);
  return await withReportSubject(values, context, async ({ configuration, namespace, pages }) => {
    const pod = findPod(configuration.set, name, namespace);
    const report = describePodAuthorization(configuration, pod);
    const enforced =
      pages === undefined || report.proxy === "none"
        ? undefined
        : await readEnforcedPolicies(pages, { pod, demanded: report }, context.signal);
    const text = () => formatPodAuthorization(report, enforced, choosePalette(context));
    context.stdout(values.isJson ? formatJson({ ...report, ...(enforced && { enforced }) }) : text());
    return isOutdated(enforced) ? 1 : 0;
  });
}

async function explain(names: readonly string[], values: Values, context: CommandContext): Promise<number> {
  if (names.length > 0) {
    throw new UsageError(`explain takes options only, as --from POD --to SERVICE:PORT, got "${names.join(" ")}"`);
  }
  const options = parseAccessOptions(values);
  const { configuration, namespace } = await loadReportSubject(values, context);
  const report = explainAccess(configuration, findQuestion(configuration, options, namespace));
  context.stdout(values.isJson ? formatJson(report) : formatAccess(report, choosePalette(context)));
  return isDenied(report) ? 1 : 0;
}
