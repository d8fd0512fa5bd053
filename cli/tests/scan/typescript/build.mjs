// Makes JavaScript of the servers: node build.mjs FROM TO. Types are checked by editors, not here.
import { readFileSync, writeFileSync } from "node:fs";
import ts from "typescript";

const [from, to] = process.argv.slice(2);
const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
const { outputText } = ts.transpileModule(readFileSync(from, "utf8"), { compilerOptions: options });
writeFileSync(to, outputText);
