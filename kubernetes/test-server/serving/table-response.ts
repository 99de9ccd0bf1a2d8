import { type Fields, isFields } from "../../requests/api-response.ts";
import { RefusedRequest } from "../storage/refused-request.ts";
import type { PrinterColumn } from "../storage/served-kinds.ts";

/** Whether the client prefers a Table, as `kubectl get` does. */
export function wantsTable(accept: string | undefined): boolean {
  const [first = ""] = (accept ?? "").split(",");
  return first.split(";").includes("as=Table");
}

/**
 * The object or the list as a Table: the name, and what the definition's `additionalPrinterColumns` select. Without
 * columns it has the age, as on the real server.
 */
export function formatTable(document: Fields, columns: readonly PrinterColumn[]): Fields {
  const { items } = document;
  const objects = Array.isArray(items) ? items.filter(isFields) : [document];
  const shown = columns.length === 0 ? [AGE] : columns;
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: Array.isArray(items) ? document["metadata"] : {},
    columnDefinitions: [NAME, ...shown].map(({ name, type, description, priority }) => {
      return { name, type, format: name === "Name" ? "name" : "", description, priority };
    }),
    rows: objects.map((object) => ({
      cells: [NAME, ...shown].map((column) => cellOf(object, column)),
      object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object["metadata"] },
    })),
  };
}

const NAME: PrinterColumn = { name: "Name", type: "string", jsonPath: ".metadata.name", description: "", priority: 0 };
const AGE: PrinterColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "",
  priority: 0,
};

function cellOf(object: Fields, { type, jsonPath }: PrinterColumn): unknown {
  const value = findByPath(object, jsonPath);
  if (value === undefined || value === null) return null;
  if (type === "date") return `${Math.max(0, Math.floor((Date.now() - Date.parse(String(value))) / 1000))}s`;
  if (type === "string") return typeof value === "string" ? value : JSON.stringify(value);
  return value;
}

/** The JSONPath of a column, of which only field names are read here: any other path is refused, never misread. */
function findByPath(object: Fields, jsonPath: string): unknown {
  if (!/^(?:\.[a-zA-Z0-9_-]+)+$/.test(jsonPath)) {
    throw new RefusedRequest(500, "InternalError", `the column's path ${jsonPath} is not understood`);
  }
  let value: unknown = object;
  for (const name of jsonPath.slice(1).split(".")) value = isFields(value) ? value[name] : undefined;
  return value;
}
