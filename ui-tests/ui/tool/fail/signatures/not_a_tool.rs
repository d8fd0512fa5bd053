async fn hello(name: String) -> String {
    name
}

fn main() {
    let _ = hello(String::new());
    let _ = watertight::tools![hello];
}
