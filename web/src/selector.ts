// Selectors as the daemon has them (edge1, a,b, edge*, site:ams, !x), for what is already here. A word that is nobody's
// alias is looked for within aliases, labels and facts, so that a search narrows as it is typed.

import type { Session } from "./api";

const LABEL = /^[A-Za-z0-9._/-]+:(?!\/\/)[A-Za-z0-9._/-]+$/;

type Match = (session: Session) => boolean;

export function selecting(text: string, known: (alias: string) => boolean): Match {
  const include: Match[] = [];
  const exclude: Match[] = [];
  for (const term of text.split(/[,\r\n]/).map((part) => part.trim())) {
    if (term === "" || term === "!") continue;
    (term.startsWith("!") ? exclude : include).push(termMatch(term.replace(/^!/, ""), known));
  }
  return (session) =>
    (include.length === 0 || include.some((match) => match(session))) && !exclude.some((match) => match(session));
}

function termMatch(term: string, known: (alias: string) => boolean): Match {
  if (term === "all") return () => true;
  if (/[*?[]/.test(term)) {
    const pattern = globbed(term);
    if (term.includes(":") && !term.includes("://")) return (session) => session.labels.some((one) => pattern.test(one));
    return (session) => pattern.test(session.alias);
  }
  if (LABEL.test(term)) return (session) => session.labels.includes(term);
  if (known(term)) return (session) => session.alias === term;
  const word = term.toLowerCase();
  return (session) => sought(session).includes(word);
}

function sought(session: Session): string {
  const facts = Object.values(session.facts).filter((fact) => typeof fact === "string");
  return [session.alias, ...session.labels, ...facts].join(" ").toLowerCase();
}

function globbed(pattern: string): RegExp {
  let source = "";
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern[at] as string;
    const end = char === "[" ? pattern.indexOf("]", at + 2) : -1;
    if (char === "*") source += ".*";
    else if (char === "?") source += ".";
    else if (end > 0) {
      const set = pattern.slice(at + 1, end).replace(/[\\\]^]/g, "\\$&");
      source += set.startsWith("!") ? `[^${set.slice(1)}]` : `[${set}]`;
      at = end;
    } else source += char.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  }
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    return /(?!)/; // a set like [z-a], which matches nothing
  }
}
