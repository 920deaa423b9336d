/** Rules of this repository that the linter does not have, as a plugin of oxlint. */
export default {
  meta: { name: "millrace" },
  rules: {
    /** State lives inside `defer` or a function: a module has no `let`. */
    "no-module-let": {
      create: (context) => ({
        VariableDeclaration(node) {
          const { parent } = node;
          const top = parent.type === "ExportNamedDeclaration" ? parent.parent : parent;
          if (node.kind === "let" && top.type === "Program") {
            context.report({ node, message: "A module has no `let`: keep state inside `defer`." });
          }
        },
      }),
    },
  },
};
