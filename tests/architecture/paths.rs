//! Every path that a source file names: `use` trees, qualified names, attributes and the inside of macro calls; and what
//! would hide one: the crate's root under another name, and code from another file.

use std::collections::BTreeSet;

use syn::buffer::{Cursor, TokenBuffer};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

/// A path, written out from the crate's root or a library's name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// `tokio::sync::mpsc`; one into this crate begins with `crate::`. `crate` itself when the root gets another name,
    /// `include!` and `#[path]` for code from another file.
    pub path: String,
    /// Whether code under `#[cfg(test)]` names it.
    pub in_test: bool,
}

/// All paths that the file with this text names, which is the module given.
pub fn names(module: &[String], text: &str) -> syn::Result<BTreeSet<Name>> {
    let mut names = Names {
        module: module.to_vec(),
        in_test: module.last().is_some_and(|name| name == "tests"),
        found: BTreeSet::new(),
    };
    names.visit_file(&syn::parse_file(text)?);
    Ok(names.found)
}

/// Collects every path of a file, those into the crate as `crate::…`, and whether test code names it.
struct Names {
    module: Vec<String>,
    in_test: bool,
    found: BTreeSet<Name>,
}

impl Names {
    /// Notes one path, resolving `self`, `super` and the crate's own name.
    fn note(&mut self, segments: &[String]) {
        let mut rest = segments;
        let mut base: Option<Vec<String>> = None;
        while let Some(first) = rest.first() {
            base = match (first.as_str(), base) {
                ("crate" | "leapmotor2mqtt", None) => Some(Vec::new()),
                ("self", None) => Some(self.module.clone()),
                ("super", base) => {
                    let mut parent = base.unwrap_or_else(|| self.module.clone());
                    parent.pop();
                    Some(parent)
                }
                (_, base) => {
                    let name = base
                        .iter()
                        .flat_map(|base| ["crate".to_owned()].into_iter().chain(base.iter().cloned()));
                    let name: Vec<String> = name.chain(rest.iter().cloned()).collect();
                    self.insert(name.join("::"));
                    return;
                }
            };
            rest = &rest[1..];
        }
        if base.as_ref().is_some_and(Vec::is_empty) {
            self.insert("crate".to_owned());
        }
    }

    fn insert(&mut self, path: String) {
        let in_test = self.in_test;
        self.found.insert(Name { path, in_test });
    }

    fn note_use(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.note_use(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => self.note(prefix),
            syn::UseTree::Name(name) => self.note(&with(&name.ident)),
            syn::UseTree::Rename(rename) if rename.ident == "self" => self.note(prefix),
            syn::UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(&[prefix, &["*".to_owned()]].concat()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.note_use(prefix, item)),
        }
    }

    /// Notes the paths in unparsed tokens: the inside of a macro call, or of an attribute, in which texts count too.
    fn note_tokens(&mut self, mut cursor: Cursor<'_>, texts_count: bool) {
        let mut path: Vec<String> = Vec::new();
        loop {
            if let Some((ident, next)) = cursor.ident() {
                path.push(ident.to_string());
                cursor = next;
                if let Some(next) = double_colon(cursor) {
                    if next.ident().is_some() {
                        cursor = next;
                        continue;
                    }
                    self.note_branches(&path, next);
                }
            } else if let Some((literal, next)) = cursor.literal() {
                if texts_count && let syn::Lit::Str(text) = syn::Lit::new(literal) {
                    self.note_text(&text.value());
                }
                cursor = next;
            } else if let Some((inside, _, _, next)) = cursor.any_group() {
                self.note_tokens(inside, texts_count);
                cursor = next;
            } else if let Some((_, next)) = cursor.token_tree() {
                cursor = next;
            } else {
                return;
            }
            // A lone word in a macro may be anything; only a path with `::` says where it leads.
            if path.len() > 1 {
                self.note(&path);
            }
            path.clear();
        }
    }

    /// Notes what follows on `path::` in unparsed tokens other than one more word: several paths, or all there is.
    fn note_branches(&mut self, path: &[String], cursor: Cursor<'_>) {
        if let Some((inside, ..)) = cursor.any_group() {
            let branches = Punctuated::<syn::UseTree, syn::Token![,]>::parse_terminated;
            for branch in branches.parse2(inside.token_stream()).iter().flatten() {
                self.note_use(path, branch);
            }
        } else if cursor.punct().is_some_and(|(punct, _)| punct.as_char() == '*') {
            self.note(&[path, &["*".to_owned()]].concat());
        }
    }

    /// Notes the paths in a text of an attribute, such as that of the function which serde calls.
    fn note_text(&mut self, text: &str) {
        if let Ok(tokens) = text.parse() {
            self.note_tokens(TokenBuffer::new2(tokens).begin(), false);
        }
    }
}

/// The cursor after `::`, if it stands there.
fn double_colon(cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    let (first, next) = cursor.punct()?;
    let (second, next) = next.punct()?;
    (first.as_char() == ':' && second.as_char() == ':').then_some(next)
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let outer = self.in_test;
        self.in_test |= is_test_only(&item.attrs);
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
        self.in_test = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_use(&[], &item.tree);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        let name = item.ident.to_string();
        self.note(&[if name == "self" { "crate".to_owned() } else { name }]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.note(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.segments.last().is_some_and(|name| name.ident == "include") {
            self.insert("include!".to_owned());
        }
        self.note_tokens(TokenBuffer::new2(call.tokens.clone()).begin(), false);
        visit::visit_macro(self, call);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.note_tokens(TokenBuffer::new2(list.tokens.clone()).begin(), true);
        visit::visit_meta_list(self, list);
    }

    fn visit_meta_name_value(&mut self, pair: &'ast syn::MetaNameValue) {
        if pair.path.is_ident("path") {
            self.insert("#[path]".to_owned());
        }
        visit::visit_meta_name_value(self, pair);
    }
}
