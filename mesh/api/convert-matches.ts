/** Converts the conditions of a route to messages and back. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HeaderMatch, HttpMatch, QueryMatch, StringMatch } from "../policy/routing/http-route.ts";
import { checkRegex } from "../resources/fields/compile-regex.ts";
import { ConvertError } from "./convert-error.ts";
import type {
  HeaderMatch as HeaderMatchMessage,
  HttpMatch as HttpMatchMessage,
  HttpMatchSchema,
  QueryMatch as QueryMatchMessage,
  StringMatch as StringMatchMessage,
  StringMatchSchema,
} from "./gen/discovery_pb.ts";

export function messageFromMatch(match: HttpMatch): MessageInitShape<typeof HttpMatchSchema> {
  const named = ({ name, value }: HeaderMatch | QueryMatch) => ({ name, value: stringMatchMessage(value) });
  return {
    ...(match.uri === undefined ? {} : { uri: stringMatchMessage(match.uri) }),
    ...(match.scheme === undefined ? {} : { scheme: stringMatchMessage(match.scheme) }),
    ...(match.method === undefined ? {} : { method: stringMatchMessage(match.method) }),
    ...(match.authority === undefined ? {} : { authority: stringMatchMessage(match.authority) }),
    headers: match.headers.map(named),
    withoutHeaders: match.withoutHeaders.map(named),
    queryParams: match.queryParams.map(named),
    ignoreUriCase: match.ignoreUriCase,
  };
}

/** Throws if a condition is of an unknown kind, or if a regex does not compile. */
export function matchFromMessage(message: HttpMatchMessage): HttpMatch {
  return {
    ...(message.uri === undefined ? {} : { uri: stringMatchFromMessage(message.uri) }),
    ...(message.scheme === undefined ? {} : { scheme: stringMatchFromMessage(message.scheme) }),
    ...(message.method === undefined ? {} : { method: stringMatchFromMessage(message.method) }),
    ...(message.authority === undefined ? {} : { authority: stringMatchFromMessage(message.authority) }),
    headers: message.headers.map(headerFromMessage),
    withoutHeaders: message.withoutHeaders.map(headerFromMessage),
    queryParams: message.queryParams.map(parameterFromMessage),
    ignoreUriCase: message.ignoreUriCase,
  };
}

function stringMatchMessage(match: StringMatch): MessageInitShape<typeof StringMatchSchema> {
  return match.kind === "present"
    ? { match: { case: "present", value: true } }
    : { match: { case: match.kind, value: match.value } };
}

function headerFromMessage(message: HeaderMatchMessage): HeaderMatch {
  return { name: message.name.toLowerCase(), value: stringMatchFromMessage(message.value) };
}

function parameterFromMessage(message: QueryMatchMessage): QueryMatch {
  return { name: message.name, value: stringMatchFromMessage(message.value) };
}

function stringMatchFromMessage(message: StringMatchMessage | undefined): StringMatch {
  const match = message?.match;
  switch (match?.case) {
    case "regex": {
      const fault = checkRegex(match.value);
      if (fault !== undefined) throw new ConvertError(fault);
      return { kind: match.case, value: match.value };
    }
    case "exact":
    case "prefix":
      return { kind: match.case, value: match.value };
    case "present":
      if (match.value) return { kind: "present" };
      throw new ConvertError("a header match asks for presence: false, which is not a valid condition");
    default:
      throw new ConvertError("a match is of an unknown kind");
  }
}
