import { type Operation, Pointer } from "rfc6902";
import { type Document, isSeq } from "yaml";

type Path = readonly (string | number)[];

/** Applies a JSON Patch of adds, removals and replacements to one place of a YAML document; comments elsewhere stay. */
export function applyPatchToDocument(document: Document, base: Path, patch: readonly Operation[]): void {
  for (const operation of patch) {
    const path = [...base, ...Pointer.fromJSON(operation.path).tokens.slice(1)];
    switch (operation.op) {
      case "add":
        addIn(document, path, operation.value);
        break;
      case "replace":
        document.setIn(numbered(document, path), document.createNode(operation.value));
        break;
      case "remove":
        document.deleteIn(numbered(document, path));
        break;
      case "move":
      case "copy":
      case "test":
        throw new TypeError(`the patch operation ${operation.op} is never made here`);
    }
  }
}

/** In a list, to add is to put in between; anywhere else it is to set. */
function addIn(document: Document, path: Path, value: unknown): void {
  const key = path.at(-1);
  const parent = path.length === 1 ? document.contents : document.getIn(numbered(document, path.slice(0, -1)), true);
  if (isSeq(parent)) parent.items.splice(Number(key), 0, document.createNode(value));
  else document.setIn(numbered(document, path), document.createNode(value));
}

/** JSON pointers spell an index like a key; YAML's lists want a number, and its mappings may have a key of digits. */
function numbered(document: Document, path: Path): Path {
  return path.map((key, i) => {
    const parent = i === 0 ? document.contents : document.getIn(path.slice(0, i), true);
    return isSeq(parent) ? Number(key) : key;
  });
}
