import type { z } from "zod";
import type { FieldPath } from "./plain-value.ts";

/** One error of a schema, with its fix. */
export interface SchemaFault {
  readonly path: FieldPath;
  readonly message: string;
}

/** Turns a schema's issue into a message that names the expected value. */
export function faultFromIssue(issue: z.core.$ZodIssue): SchemaFault {
  return { path: issue.path.map((part) => (typeof part === "number" ? part : String(part))), message: describe(issue) };
}

function describe(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return describeType(issue);
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}, is ${show(issue.input)}`;
    case "too_small":
      return `must be at least ${issue.minimum}${unitOf(issue.origin)}, is ${show(issue.input)}`;
    case "too_big":
      return `must be at most ${issue.maximum}${unitOf(issue.origin)}, is ${show(issue.input)}`;
    case "invalid_key":
      return `has a key that is not allowed: ${[...new Set(issue.issues.map((inner) => inner.message))].join("; ")}`;
    case "unrecognized_keys":
      return `has the unknown field ${issue.keys.join(", ")}: correct its spelling, or remove it`;
    case "invalid_union":
      return issue.errors.length === 0 ? issue.message : describeUnion(issue.errors);
    case "invalid_format":
      return `${issue.message}, is ${show(issue.input)}`;
    default:
      return issue.message;
  }
}

function describeType(issue: Extract<z.core.$ZodIssue, { code: "invalid_type" }>): string {
  if (issue.input === undefined) return "is missing";
  const isUnquoted = issue.expected === "string" && ["number", "boolean"].includes(typeof issue.input);
  const fix = isUnquoted ? ": put it in quotes" : "";
  return `must be ${nameOfType(issue.expected)}, is ${show(issue.input)}${fix}`;
}

/** The closest alternative of a union: the one whose error is not the type itself. */
function describeUnion(alternatives: readonly (readonly z.core.$ZodIssue[])[]): string {
  const nearest = alternatives.find((issues) => issues.some((issue) => issue.code !== "invalid_type"));
  const [issue] = nearest ?? alternatives[0] ?? [];
  return issue === undefined ? "is not valid" : describe(issue);
}

function nameOfType(expected: string): string {
  const names: Readonly<Record<string, string>> = {
    object: "a mapping",
    record: "a mapping",
    array: "a list",
    string: "text",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
  };
  return names[expected] ?? expected;
}

function unitOf(origin: string): string {
  if (origin === "string") return " characters long";
  return origin === "array" ? " items long" : "";
}

function show(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
