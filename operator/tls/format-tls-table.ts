import { type Palette, printable } from "../text/palette.ts";
import { formatTable } from "../text/text-table.ts";
import { isFailing, type TlsRow } from "./tls-row.ts";

const SHOWN_NAMES = 2;

/**
 * The table of istioctl 1.5 with the ports' protocols, and below it the reasons of failing rows. With several clients it
 * has a column for them.
 */
export function formatTlsTable(rows: readonly TlsRow[], palette: Palette, options: { hasClients: boolean }): string {
  const { hasClients } = options;
  const header = ["HOST:PORT", "STATUS", "SERVER", "CLIENT", "AUTHN POLICY", "DESTINATION RULE", "PROTOCOL"];
  const table = formatTable([
    [...header, ...(hasClients ? ["CLIENTS"] : [])].map(palette.strong),
    ...rows.map((row) => [...cellsOf(row, palette), ...(hasClients ? [shorten(row.clients)] : [])]),
  ]);
  const problems = rows.filter(isFailing).map((row) => `${describe(row, palette)}\n`);
  return problems.length === 0 ? table : `${table}\n${problems.join("")}`;
}

function cellsOf(row: TlsRow, palette: Palette): readonly string[] {
  const mark = isFailing(row) ? palette.bad : row.status === "NO ENDPOINTS" ? palette.warning : palette.good;
  return [
    placeOf(row),
    mark(row.status),
    row.server ?? "-",
    row.client ?? "-",
    row.authenticationPolicy || "-",
    row.destinationRule || "-",
    row.protocol,
  ];
}

/** `host|subset:port`, as istioctl wrote it. */
function placeOf({ host, subset, port }: TlsRow): string {
  return printable(`${host}${subset === "" ? "" : `|${subset}`}:${port}`);
}

function describe(row: TlsRow, palette: Palette): string {
  const servers = row.servers.length === 0 ? "" : ` to ${shorten(row.servers)}`;
  return `${palette.bad(row.status)} ${placeOf(row)} from ${shorten(row.clients)}${servers}: ${printable(row.problem ?? "")}`;
}

function shorten(names: readonly string[]): string {
  const rest = names.length - SHOWN_NAMES;
  const shown = names.slice(0, SHOWN_NAMES).join(", ");
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
