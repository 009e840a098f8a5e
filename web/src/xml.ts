// XML as plain values. The browser's own parser would make elements of what a device sends; nothing here can be more
// than text. It reads what NETCONF has: no document types.

export interface Node {
  tag: string;
  attributes: [string, string][];
  children: Node[];
  text: string;
}

const TOKEN =
  /<!--[^]*?-->|<\?[^]*?\?>|<!\[CDATA\[([^]*?)\]\]>|<(\/?)([^\s/<>!?]+)((?:\s+[^\s=/<>]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;
const ATTRIBUTE = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const NAMED: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

export function parse(text: string): Node {
  const root: Node = { tag: "", attributes: [], children: [], text: "" };
  const path = [root];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    const inside = path.at(-1) as Node;
    if (!found) throw new Error(`the reply is not XML from character ${at + 1} on`);
    const [, verbatim, closing, tag, attributes, empty, characters] = found;
    if (verbatim !== undefined) inside.text += verbatim;
    else if (characters !== undefined) inside.text += resolved(characters);
    else if (tag !== undefined && closing) {
      if (inside.tag !== tag || path.length === 1) throw new Error(`the reply closes ${tag}, which is not open`);
      path.pop();
    } else if (tag !== undefined) {
      const child: Node = { tag, attributes: attributesOf(attributes ?? ""), children: [], text: "" };
      inside.children.push(child);
      if (!empty) path.push(child);
    }
  }
  if (path.length > 1 || root.children.length !== 1) throw new Error("the reply broke off");
  return root.children[0] as Node;
}

function attributesOf(text: string): [string, string][] {
  return [...text.matchAll(ATTRIBUTE)].map(([, name, one, other]) => [name as string, resolved(one ?? other ?? "")]);
}

function resolved(text: string): string {
  return text.replace(/&(?:#x([0-9A-Fa-f]{1,6})|#([0-9]{1,7})|([a-z]+));/g, (whole, hex, decimal, name) => {
    if (name) return NAMED[name as string] ?? whole;
    const code = hex ? Number.parseInt(hex as string, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
