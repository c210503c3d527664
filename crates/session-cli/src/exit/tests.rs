use std::collections::HashSet;

use super::*;

#[test]
fn codes_are_distinct_and_rising() {
    let codes: Vec<_> = Exit::ALL.iter().map(|exit| exit.code()).collect();
    assert!(codes.is_sorted());
    assert_eq!(codes.iter().collect::<HashSet<_>>().len(), Exit::ALL.len());
}

#[test]
fn table_names_every_code() {
    assert_eq!(
        Exit::table(),
        "\
Exit codes:
    0  done
    1  internal error: a defect of this program
    2  usage: the command line is wrong
    3  no answer: the peer is silent, or has another address or key
    4  refused by the peer
    5  unauthorized: the peer does not accept this key
    6  collision: a file of this name exists already
    7  integrity: what arrived is not what was sent
    8  input or output failed: file, folder or disk
    9  port in use
   10  closed by the peer
   11  a key or a list of keys cannot be used
   12  one end broke a rule of the protocol
  130  interrupted
"
    );
}

fn document(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

#[test]
fn every_close_code_of_the_protocol_has_an_exit_code() {
    let text = document("protocol.md");
    let section = text.split("\n## ").find(|section| section.starts_with("12. ")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).map(|line| line.split('|').map(str::trim));
    let cells: Vec<Vec<_>> = rows.map(Iterator::collect).collect();
    let mut codes: Vec<_> = cells.iter().flat_map(|cells| [(cells[1], cells[2]), (cells[3], cells[4])]).collect();
    codes.retain(|(code, _)| u64::from_str_radix(code, 16).is_ok());
    codes.sort();
    let known = CLOSE_CODES.map(|(code, name, _)| (format!("{:02X}", code.0), name));
    assert_eq!(codes, known.each_ref().map(|(code, name)| (code.as_str(), *name)));
}

#[test]
fn documentation_has_the_table_of_exit_codes() {
    let row = |exit: Exit| {
        let codes = CLOSE_CODES.iter().filter(|(_, _, of)| *of == exit).map(|(_, name, _)| *name).collect::<Vec<_>>();
        format!("| {} | `{}` | {} | {} |\n", exit.code(), exit.name(), exit.meaning(), codes.join(", "))
    };
    let table = Exit::ALL.map(row).concat();
    let text = document("cli.md");
    assert!(text.contains(&table), "docs/cli.md lacks these rows:\n{table}");
}
