//! Names that are tenants', and names that only look like it.

use super::*;

fn tier(name: &str) -> Option<Tier> {
    let extra = Extra {
        tenant_column: "tenant_id".to_owned(),
        ..Extra::default()
    };
    classify(name, &extra).map(|found| found.tier)
}

#[test]
fn first_tier_in_every_casing() {
    for name in [
        "tenant",
        "Tenant",
        "TENANT",
        "tenant_id",
        "tenantId",
        "TenantID",
        "TENANT_ID",
        "tenant-id",
        "x-tenant-id",
        "X-Tenant-Id",
        "X_TENANT_ID",
        "current_tenant",
        "targetTenant",
        "target_tenant_uuid",
        "tenantid",
        "TENANTID",
        "xtenantid",
        "mytenant",
        "tenants",
        "tenant_ids",
        "tenantIds",
        "tenant2",
        "tenant_1_id",
        "org",
        "orgId",
        "org_slug",
        "orgs",
        "organization",
        "organisation_key",
        "organizationName",
        "workspace",
        "workspace_id",
        "workspaceSlug",
        "realm",
        "realm_name",
        "tenancy",
        "org_workspace_id",
        "as_org",
        "for_tenant",
        "tenant.id",
        "tenant id",
        "_tenant_",
        "customer_org_id",
        "Mandant",
        "parent_organization_id",
        "from_workspace_id",
        "tenant_org",
    ] {
        assert_eq!(tier(name), Some(Tier::First), "{name}");
    }
}

#[test]
fn second_tier() {
    for name in [
        "account",
        "account_id",
        "accountId",
        "customer",
        "customer_id",
        "company_name",
        "companies",
        "team",
        "teamIds",
        "project_key",
        "site",
        "namespace",
        "owner",
        "repo_owner_id_owner",
        "target_account",
        "accountid",
        "businesses",
        "client_id",
        "shop_domain",
    ] {
        let expected = if name == "repo_owner_id_owner" {
            None
        } else {
            Some(Tier::Second)
        };
        assert_eq!(tier(name), expected, "{name}");
    }
}

#[test]
fn honest_names() {
    for name in [
        "organize",
        "organized_by",
        "tenantless",
        "border",
        "workspace_theme",
        "organic",
        "orgy",
        "forge",
        "cyborg",
        "morgue",
        "realmente",
        "tenanted",
        "lieutenant",
        "lieutenant_name",
        "id",
        "ids",
        "name",
        "x_id",
        "current_id",
        "key",
        "plan",
        "limit",
        "query",
        "status",
        "siteseeing",
        "offsite",
        "website",
        "ownership",
        "teamwork",
        "projection",
        "accounting",
        "customers_since",
        "company_size",
        "opposite",
        "composite",
        "",
        "_",
        "42",
        "é",
        "user_id",
        "tenant_type",
        "session_id",
        "to",
        "from",
        "workspaces_enabled",
        "orgasm",
        "steam",
        "xorgs2d",
    ] {
        assert_eq!(tier(name), None, "{name}");
    }
}

#[test]
fn the_tenant_column_makes_a_word() {
    let extra = Extra {
        tenant_column: "clinic_id".to_owned(),
        ..Extra::default()
    };
    assert_eq!(classify("clinicId", &extra).unwrap().tier, Tier::First);
    assert_eq!(classify("clinics", &extra).unwrap().word, "clinic");
    assert!(classify("clinical", &extra).is_none());
    let account = Extra {
        tenant_column: "account_id".to_owned(),
        ..Extra::default()
    };
    assert_eq!(classify("account", &account).unwrap().tier, Tier::First);
    let bare = Extra {
        tenant_column: "id".to_owned(),
        ..Extra::default()
    };
    assert!(classify("id", &bare).is_none());
    assert!(classify("user_id", &bare).is_none());
}

#[test]
fn configured_words() {
    let extra = Extra {
        words: vec!["Praxis".to_owned()],
        ..Extra::default()
    };
    assert_eq!(classify("praxis_id", &extra).unwrap().tier, Tier::First);
}

#[test]
fn names_that_the_configuration_allows() {
    let extra = Extra {
        allowed: vec!["account".to_owned()],
        ..Extra::default()
    };
    assert!(classify("account", &extra).is_none());
    // Exactly as it stands, and nothing else that means the same.
    assert!(classify("account_id", &extra).is_some());
    assert!(classify("Account", &extra).is_some());
}

#[test]
fn a_table_of_the_tenant_makes_a_second_tier_word_honest() {
    let extra = Extra {
        tables: vec![
            "customers".to_owned(),
            "companies".to_owned(),
            "orgs".to_owned(),
        ],
        ..Extra::default()
    };
    assert!(classify("customer_id", &extra).is_none());
    assert!(classify("company_name", &extra).is_none());
    assert!(classify("account_id", &extra).is_some());
    assert!(
        classify("org_id", &extra).is_some(),
        "the first tier is never honest"
    );
}

#[test]
fn every_word_has_a_reason_and_stands_once() {
    let mut seen = std::collections::HashSet::new();
    for (word, reason) in FIRST.iter().chain(SECOND) {
        assert!(seen.insert(*word) && !reason.is_empty(), "{word}");
        assert!(
            !PREFIXES.contains(word) && !SUFFIXES.contains(word),
            "{word}"
        );
    }
}
