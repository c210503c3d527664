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
  130  interrupted
"
    );
}
